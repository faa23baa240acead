"""Starting the daemon in the background: fork, python-daemon, pidfile, and the pipe that tells how it went.

Called by `start` with a prepared `Launch`; returns to it when the daemon is ready, has failed, or goes on waiting
for its database. Threads and connections are made in the child, once python-daemon has closed everything.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from taskserver.daemon import confinement, logs, pidfile, readiness, signals
from taskserver.daemon import identity as identities
from taskserver.daemon.identity import Identity
from taskserver.daemon.pidfile import AlreadyRunning, PidFile, Record, State
from taskserver.daemon.readiness import Pipe
from taskserver.daemon.sdnotify import Notifier
from taskserver.daemon.service import MakeService
from taskserver.daemon.supervisor import Supervised, Supervisor
from taskserver.errors import EXIT_ERROR, TaskServerError
from taskserver.texts import mark, translate

if TYPE_CHECKING:
    from taskserver.config import Settings

UMASK = 0o027

_LOOK_AGAIN_SECONDS = 0.05
_ATTEMPTS = 3


class StartFailed(TaskServerError):
    """The daemon said why it gave up; it also said with which exit code."""

    text = mark("the task server did not start: {reason}")

    def __init__(self, reason: str, code: int = EXIT_ERROR) -> None:
        self.exit_code = code  # type: ignore[misc]
        super().__init__(reason=reason)


@dataclass(frozen=True)
class Launch:
    """What it takes to start one daemon."""

    settings: Settings
    installation: Path
    identity: Identity
    make_service: MakeService
    read_settings: Callable[[], Settings]

    @property
    def users_dir(self) -> Path:
        return self.settings.users_dir

    def pidfile(self) -> PidFile:
        return PidFile(
            self.users_dir,
            facts={
                "drain": f"{self.settings.drain_timeout.total_seconds():g}",
                "node": self.settings.node_id,
            },
        )


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon is there. `fresh`: this call has started it; `ready`: it takes work already."""

    pid: int
    fresh: bool
    ready: bool


def start(launch: Launch, say: Callable[[str], None]) -> Started:
    """Start the daemon, or find the one that is there, and wait until it is ready.

    `say` is told what it waits for. Raises StartFailed with the daemon's own reason and exit code.
    """
    for _ in range(_ATTEMPTS):
        found = await_ready(launch.users_dir)
        if found is not None:
            return found
        started = _start_one(launch, say)
        if started is not None:
            return started
    raise StartFailed(translate("other starts came in between again and again"))


def await_ready(users_dir: Path) -> Started | None:
    """The daemon that runs already, once it is ready or goes on waiting; None if there is none (left)."""
    while True:
        reading = pidfile.read(users_dir)
        if reading.state is not State.RUNNING or reading.record is None:
            return None
        if reading.record.state in (pidfile.READY, pidfile.GOING_ON):
            return _as_found(reading.record)
        time.sleep(_LOOK_AGAIN_SECONDS)


def _as_found(record: Record) -> Started:
    return Started(record.pid, fresh=False, ready=record.state == pidfile.READY)


def _start_one(launch: Launch, say: Callable[[str], None]) -> Started | None:
    """Fork and listen. None: another daemon was quicker, look there."""
    _open_standard_streams()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become_daemon(launch, writer)
    os.close(writer)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)  # python-daemon's first fork ends at once, with 0 whatever happens later
    return _listen(launch, reader, say)


def _listen(launch: Launch, reader: int, say: Callable[[str], None]) -> Started | None:
    for message in readiness.messages(reader):
        if "ready" in message:
            return Started(message["ready"], fresh=True, ready=True)
        if "taken" in message:
            return None
        if "error" in message:
            raise StartFailed(message["error"], message["code"])
        if "going_on" in message:
            say(message["going_on"])
            return Started(message["pid"], fresh=True, ready=False)
        if "waiting" in message:
            say(message["waiting"])
    last = "\n".join(f"    {line}" for line in logs.tail(launch.settings.log_file))
    reason = translate("it ended without a word")
    raise StartFailed(f"{reason}\n{last}" if last else reason)


def _become_daemon(launch: Launch, writer: int) -> NoReturn:
    """The child: never returns into the caller's code, whatever happens."""
    pipe = Pipe(writer)
    code = EXIT_ERROR
    try:
        code = _detached(launch, pipe, writer)
    except AlreadyRunning as error:
        pipe.taken(error.fields["pid"])
    except TaskServerError as error:
        code = error.exit_code
        pipe.failed(error.message(), code)
    except BaseException as error:  # noqa: BLE001 - the service loop's outermost edge: the parent must hear of it
        pipe.failed(f"{type(error).__name__}: {error}", code)
    finally:
        os._exit(code)  # the caller's own exit handlers and buffers are not ours


def _detached(launch: Launch, pipe: Pipe, writer: int) -> int:
    """Detach and run to the end. Signals wait until the supervisor can take them."""
    from daemon import DaemonContext

    signal.pthread_sigmask(signal.SIG_BLOCK, signals.HANDLED)
    identity = launch.identity
    if identity.changes:
        identities.take_groups(identity)  # python-daemon keeps root's groups, or root's gid
    lock = launch.pidfile()
    context = DaemonContext(
        detach_process=True,
        working_directory=str(launch.installation),
        umask=UMASK,
        uid=identity.uid,
        gid=identity.gid,
        initgroups=False,
        files_preserve=[writer],
        signal_map={signal.SIGTSTP: None, signal.SIGTTIN: None, signal.SIGTTOU: None},
        pidfile=_AfterCheck(lock, identity),
    )
    context.open()
    log = logs.Logs(foreground=False)
    try:
        log.open(launch.settings)
        Notifier.from_environment(os.environ)  # a manager that waits for us waits for `start`, not for the daemon
        service = launch.make_service(launch.settings, log.logger)
        return Supervisor(
            service, Supervised(launch.settings, launch.read_settings, lock, log, listener=pipe)
        ).run()
    finally:
        context.close()
        log.close()


class _AfterCheck:
    """The pidfile as python-daemon enters it: not before the new identity has been proven."""

    def __init__(self, lock: PidFile, identity: Identity) -> None:
        self._lock = lock
        self._identity = identity

    def __enter__(self) -> None:
        if self._identity.changes:
            identities.leave_root_behind(self._identity)
        confinement.hide_memory()
        self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__()


def _open_standard_streams() -> None:
    """A caller may have closed 0, 1 or 2; python-daemon needs all three, and no other file their numbers."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
        os.set_inheritable(descriptor, True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - a number, for the process's life
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
