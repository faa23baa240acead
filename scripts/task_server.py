#!/bin/sh
# chkconfig: 2345 98 02
# description: Task server: runs due cron entries and queued tasks of one installation.
### BEGIN INIT INFO
# Provides:          task-server
# Required-Start:    $local_fs $remote_fs $syslog
# Required-Stop:     $local_fs $remote_fs $syslog
# Should-Start:      postgresql mysql mariadb $network $time
# Should-Stop:       postgresql mysql mariadb $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Task server: cron entries and queued tasks
# Description:       Runs due cron entries and queued tasks of one installation.
#                    This file may be linked into /etc/init.d as it is.
### END INIT INFO
# fmt: off
# The shell reads on here and replaces itself by Python, which takes the same lines for a text.
''''true
# systemd's generator looks for such a line to learn whether an init script can reload.
: "Usage: task_server {start|stop|restart|try-restart|reload|force-reload|status}"
PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
export PATH

# not_installed REASON [ARGUMENT ...]: ends with the code that LSB has for the action named by the arguments
not_installed() {
    echo "task_server: $1" >&2
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            -c | --config | --lang | --users-dir | --run-job) [ $# -gt 1 ] && shift ;;
            -*) ;;
            stop | try-restart) exit 0 ;;
            status) exit 4 ;;
            *) exit 5 ;;
        esac
        shift
    done
    exit 5
}

# bars_the_way FILE: whether a folder on the way to it is closed to this user
bars_the_way() {
    place=$(readlink -m -- "$1") || return 1
    while [ ! -d "$place" ]; do
        place=$(dirname -- "$place")
    done
    [ ! -x "$place" ]
}

is_suitable() {
    "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1
}

case $0 in
    */*) script=$0 ;;
    *) script=$(command -v "$0") || script=$0 ;;
esac
script=$(readlink -f -- "$script") || not_installed "this script cannot find itself" "$@"
installation=$(dirname -- "$(dirname -- "$script")")

if [ -L "$installation/.venv/bin/python" ] && bars_the_way "$installation/.venv/bin/python"; then
    echo "task_server: this user cannot reach $(readlink -m -- "$installation/.venv/bin/python")" >&2
    exit 4
fi

python=
for candidate in "$installation/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
    found=$(command -v "$candidate" 2>/dev/null) || continue
    if is_suitable "$found"; then
        python=$found
        break
    fi
done
if [ -z "$python" ]; then
    not_installed "Python 3.11 or newer is needed; install python3, then run $installation/scripts/quickstart" "$@"
fi
exec "$python" "$script" "$@"
'''
# fmt: on
"""The control program of one installation: `task_server.py COMMAND`, also as a link in /etc/init.d.

It finds its installation through symbolic links, takes the interpreter of the `.venv` beside it, and calls
`taskserver.cli`. Where that cannot be imported it ends with the exit codes that LSB has for "not installed".
"""

import sys
from pathlib import Path

INSTALLATION = Path(__file__).resolve().parent.parent
WITH_VALUE = ("-c", "--config", "--lang", "--users-dir", "--run-job")
EXIT_CODES = {"stop": 0, "try-restart": 0, "status": 4}
EXIT_NOT_INSTALLED = 5


def action(arguments):
    """The command among the arguments, or an empty text."""
    position = 0
    while position < len(arguments):
        if not arguments[position].startswith("-"):
            return arguments[position]
        position += 2 if arguments[position] in WITH_VALUE else 1
    return ""


def not_installed(error):
    """Says what is missing for which interpreter; the exit code for it."""
    print(
        f"task_server: the task server is not installed for {sys.executable}: {error}; "
        f"run {INSTALLATION / 'scripts' / 'quickstart'}",
        file=sys.stderr,
    )
    return EXIT_CODES.get(action(sys.argv[1:]), EXIT_NOT_INSTALLED)


def main():
    """Runs the control program of this installation, whatever else is installed."""
    sys.path[0] = str(INSTALLATION)
    try:
        import click

        from taskserver.cli import main as control
    except ImportError as error:
        return not_installed(error)
    return control()


if __name__ == "__main__":
    sys.exit(main())
