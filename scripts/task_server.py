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
umask go-w # Python keeps what it compiles beside the code, and others must not change that

# not_installed REASON [ARGUMENT ...]: ends with the code that LSB has for the action named by the arguments
not_installed() {
    echo "task_server: $1" >&2
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            -c | --config | --lang | --users-dir | --run-job) [ $# -gt 1 ] && shift ;;
            -*) ;;
            stop | restart | try-restart)
                echo "task_server: whatever runs was not stopped" >&2
                exit 5
                ;;
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
    "$1" ${isolated:+-I} -c "import sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1
}

# --- For root alone: nothing is executed that somebody else could have written.
# `command -p` finds the system's own tools whatever PATH says.

# has_others GID: whether anybody but root is in that group, or nobody can tell
has_others() {
    members=$(command -p getent group "$1") || return 0
    case ${members##*:} in
        '' | root) ;;
        *) return 0 ;;
    esac
    # shellcheck disable=SC2016 # awk's own variables
    command -p getent passwd | command -p awk -F: -v gid="$1" '$4 == gid && $3 != 0 { found = 1 } END { exit !found }'
}

# is_weak PLACE: whether others than root can change it, now that find has its doubts
is_weak() {
    # shellcheck disable=SC2046 # the words of one line: mode, links, uid, gid
    set -- $(command -p ls -nd -- "$1" 2>/dev/null)
    [ "${3:-none}" = 0 ] || return 0
    case $1 in
        l*) return 1 ;;
        ????????w* | ?????w*+) return 0 ;;
        ?????w*) has_others "$4" ;;
        *) return 1 ;;
    esac
}

first_weak() {
    while IFS= read -r place; do
        if is_weak "$place"; then
            printf '%s\n' "$place"
            return
        fi
    done
}

# collect FILE: adds it to `ways` with every folder and link on the way to it, and the way to where a link leads
collect() {
    while [ -n "$1" ]; do
        case $ways in
            *"$newline$1$newline"*) return ;;
        esac
        ways=$ways$1$newline
        if [ -L "$1" ]; then
            target=$(command -p readlink -- "$1")
            case $target in
                /*) collect "$target" ;;
                *) collect "${1%/*}/$target" ;;
            esac
        fi
        set -- "${1%/*}"
    done
}

# weak_on_the_way FILE ...: the first place on the way to them that others can change
weak_on_the_way() {
    newline='
' ways='
'
    for place in "$@"; do
        collect "$place"
    done
    IFS=$newline
    set -f
    # shellcheck disable=SC2086 # one word a line
    command -p find / $ways -prune "(" ! -user 0 -o ! -type l ! -perm -1000 \
        "(" -perm -002 -o -perm -020 ! -group 0 ")" ")" -print 2>/dev/null | first_weak
}

# weak_below FOLDER ...: the first place in them that others can change
weak_below() {
    command -p find "$@" "(" ! -user 0 -o ! -type l "(" -perm -002 -o -perm -020 ! -group 0 ")" ")" -print 2>/dev/null |
        first_weak
}

# refuse PLACE FOLDER: root does not run this installation; FOLDER is what to put in order
refuse() {
    # shellcheck disable=SC2012,SC2016 # the name of the owner; awk's own variable
    owner=$(command -p ls -ld -- "$1" | command -p awk '{ print $3; exit }')
    why="it belongs to $owner" recursive=
    [ "$owner" != root ] || why="not root alone may write"
    [ "$1" = "$2" ] || recursive=R
    echo "task_server: root does not run what others can change: $1 ($why); mend it with:" \
        "chown -h$recursive root: '$2'; chmod ${recursive:+-R }go-w '$2'" >&2
    [ "$owner" = root ] || echo "task_server: or call this as $owner: runuser -u $owner -- $script" >&2
    exit 4
}

# require_roots_own: ends the call unless script, package and .venv can be changed by root alone
require_roots_own() {
    weak=$(weak_on_the_way "$script" "$installation/taskserver" "$installation/.venv/bin/python")
    [ -z "$weak" ] || refuse "$weak" "$weak"
    weak=$(weak_below "$installation/scripts" "$installation/taskserver" "$installation/.venv/")
    case $weak in
        '') return ;;
        "$installation/scripts"*) refuse "$weak" "$installation/scripts" ;;
        "$installation/taskserver"*) refuse "$weak" "$installation/taskserver" ;;
        *) refuse "$weak" "$installation/.venv" ;;
    esac
}

case $0 in
    */init.d/*) # as a link there it has the actions of an init script alone
        case ${1:-} in
            start | stop | restart | try-restart | reload | force-reload | status) ;;
            force-stop | condrestart | condstop | condreload | rotate | probe | -*) ;;
            *)
                echo "Usage: ${0##*/} {start|stop|restart|try-restart|reload|force-reload|status}" >&2
                exit 2
                ;;
        esac
        ;;
esac
case $0 in
    */*) script=$0 ;;
    *) script=$(command -v "$0") || script=$0 ;;
esac
script=$(readlink -f -- "$script") || not_installed "this script cannot find itself" "$@"
installation=$(dirname -- "$(dirname -- "$script")")

isolated=
if [ "$(command -p id -u)" = 0 ]; then
    isolated=yes # neither PYTHONPATH and its like nor root's own packages
    command -p -v find >/dev/null || not_installed "as root this needs the program find" "$@"
    require_roots_own
fi

if [ -L "$installation/.venv/bin/python" ] && bars_the_way "$installation/.venv/bin/python"; then
    echo "task_server: this user cannot reach $(readlink -m -- "$installation/.venv/bin/python")" >&2
    exit 4
fi

python=
for candidate in "$installation/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
    found=$(command -v "$candidate" 2>/dev/null) || continue
    if [ -n "$isolated" ] && [ -n "$(weak_on_the_way "$found")" ]; then
        continue
    fi
    if is_suitable "$found"; then
        python=$found
        break
    fi
done
if [ -z "$python" ]; then
    not_installed "Python 3.11 or newer is needed; install python3, then run $installation/scripts/quickstart" "$@"
fi
exec "$python" ${isolated:+-I} "$script" "$@"
'''
# fmt: on
"""The control program of one installation: `task_server.py COMMAND`, also as a link in /etc/init.d.

It finds its installation through symbolic links, takes the interpreter of the `.venv` beside it, and calls
`taskserver.cli`. Where that cannot be imported it ends with the exit codes that LSB has for "not installed".
"""

import os
import sys
from pathlib import Path

INSTALLATION = Path(__file__).resolve().parent.parent
WITH_VALUE = ("-c", "--config", "--lang", "--users-dir", "--run-job")
EXIT_NOT_INSTALLED = 5
EXIT_UNKNOWN = 4  # of `status`
STOPPING = ("stop", "restart", "try-restart")


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
    asked = action(sys.argv[1:])
    if asked in STOPPING:
        print("task_server: whatever runs was not stopped", file=sys.stderr)
    return EXIT_UNKNOWN if asked == "status" else EXIT_NOT_INSTALLED


def main():
    """Runs the control program of this installation, whatever else is installed."""
    os.umask(os.umask(0o022) | 0o022)
    sys.path[: 0 if sys.flags.safe_path else 1] = [str(INSTALLATION)]  # in place of this script's own folder
    try:
        import click

        from taskserver.cli import main as control
    except ImportError as error:
        return not_installed(error)
    return control()


if __name__ == "__main__":
    sys.exit(main())
