"""The same daemon in the foreground: for service managers, containers, and people who watch.

Called by `run`, `start -f` and `start --run-job`. It changes the identity of the very process that called it, so
nothing is left to return to but its exit code.
"""

from __future__ import annotations

import faulthandler
import os
import signal

from taskserver.daemon import confinement, logs, signals
from taskserver.daemon import identity as identities
from taskserver.daemon.detach import UMASK, Launch
from taskserver.daemon.readiness import Manager
from taskserver.daemon.sdnotify import Notifier
from taskserver.daemon.supervisor import Supervised, Supervisor


def run(launch: Launch, *, stop_when_ready: bool = False) -> int:
    """Be the daemon until it ends; its exit code. Its log goes to standard error, or where `log_format` says.

    `stop_when_ready` raises SIGSTOP once work is taken, as upstart's `expect stop` wants it.
    Raises AlreadyRunning, and whatever keeps the pidfile or control socket from being made.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.HANDLED)  # until the supervisor can take them
    notifier = Notifier.from_environment(os.environ)
    faulthandler.enable()  # a watchdog ends it with SIGABRT: what the threads did is what somebody will ask
    log = logs.Logs(foreground=True)
    _settle(launch)
    with launch.pidfile() as lock:
        log.open(launch.settings)
        try:
            service = launch.make_service(launch.settings, log.logger)
            listener = Manager(notifier, stop_when_ready=stop_when_ready)
            supervised = Supervised(
                launch.settings, launch.read_settings, lock, log, listener, notifier, foreground=True
            )
            return Supervisor(service, supervised).run()
        finally:
            log.close()


def run_one_job(launch: Launch, job_id: int) -> tuple[int, int]:
    """Run this one job in this process; its id and its exit code.

    No daemon: it takes neither pidfile nor signals.
    """
    log = logs.Logs(foreground=True)
    _settle(launch)
    log.open(launch.settings)
    try:
        return launch.make_service(launch.settings, log.logger).run_job(job_id)
    finally:
        log.close()


def _settle(launch: Launch) -> None:
    """What detaching does besides: the user, nothing open but the standard streams, umask, working directory."""
    confinement.close_inherited()
    identities.become(launch.identity)
    confinement.hide_memory()
    os.umask(UMASK)
    os.chdir(launch.installation)
