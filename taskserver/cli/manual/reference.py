"""What no command says of itself: exit codes, signals, files and the environment, for the manual page."""

from __future__ import annotations

from taskserver import errors
from taskserver.texts import mark

EXIT_CODES = (
    (errors.EXIT_OK, mark("Done; also `start` when the daemon runs already, and `stop` when it does not.")),
    (errors.EXIT_ERROR, mark("Error. `status`: the daemon is dead and has left its pidfile.")),
    (errors.EXIT_USAGE, mark("Wrong usage.")),
    (errors.EXIT_UNIMPLEMENTED, mark("The action is not implemented. `status`: the daemon does not run.")),
    (errors.EXIT_NOT_ALLOWED, mark("Not allowed. `status`: the state cannot be told.")),
    (errors.EXIT_NOT_INSTALLED, mark("Not installed: the program, or something that it needs, is missing.")),
    (errors.EXIT_NOT_CONFIGURED, mark("Not configured: the configuration is missing or has faults.")),
    (errors.EXIT_NOT_RUNNING, mark("The daemon does not run.")),
    (errors.EXIT_INTERRUPTED, mark("Interrupted with Ctrl-C.")),
    (errors.EXIT_JOB_FAILED, mark("The job that was waited for has failed.")),
    (errors.EXIT_TIMED_OUT, mark("The time to wait was over.")),
    (errors.EXIT_JOB_STOPPED, mark("The job that was waited for was stopped.")),
    (errors.EXIT_NOT_FOUND, mark("What was asked for does not exist.")),
    (errors.EXIT_NEEDS_UPGRADE, mark("The database needs `db upgrade`.")),
)
SIGNALS = (
    (
        "SIGTERM, SIGINT",
        mark("Claim nothing more, let running jobs end for drain_timeout, then end. A second one ends at once."),
    ),
    ("SIGHUP", mark("Read the configuration again and open the log anew.")),
    ("SIGALRM, SIGUSR1", mark("Look for work at once.")),
    ("SIGUSR2", mark("Write to the log what each thread is doing.")),
)
FILES = (
    ("etc/taskserver.toml", mark("The configuration, below the installation directory. See taskserver.toml(5).")),
    ("/etc/taskserver.toml", mark("The configuration where the installation has none.")),
    (
        "users/taskserver.pid",
        mark("The pidfile, in users_dir as all that follow. It is locked while the daemon lives."),
    ),
    ("users/control.sock", mark("The control socket.")),
    ("users/taskserver.log", mark("The log, unless log_file names another place.")),
    ("users/taskserver.sqlite", mark("The database, unless database names another one.")),
    (
        "/var/lib/taskserver-installed",
        mark("What `task_server install` has made, for `task_server uninstall`."),
    ),
)
ENVIRONMENT = (
    ("TASKSERVER_CONFIG", mark("The configuration file, unless -c names one.")),
    ("LC_ALL, LC_MESSAGES, LANG, LANGUAGE", mark("The language of texts, unless --lang names it.")),
    ("TASKSERVER_TRACEBACK", mark("If set to 1, an unexpected error shows where it happened.")),
    ("NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM", mark("Set by systemd for the daemon that it starts.")),
    ("NO_COLOR", mark("If set, tables on a terminal have no colours.")),
)
