"""The daemon's main thread: signals, control socket, and the service that does the work in its own thread.

Started by `detach` in the background or by `run` in the foreground, after pidfile and log are open. It decides
when to drain, reload and end; what these mean for jobs is the service's.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taskserver.daemon import signals, stop_request
from taskserver.daemon.console import ConsoleKeeper
from taskserver.daemon.control import ControlSocket
from taskserver.daemon.logs import Logs
from taskserver.daemon.pidfile import GOING_ON, READY, WAITING, PidFile
from taskserver.daemon.readiness import Listener
from taskserver.daemon.reporting import Reporter
from taskserver.daemon.sdnotify import Notifier
from taskserver.daemon.service import Service
from taskserver.daemon.summary import summary
from taskserver.errors import EXIT_ERROR, EXIT_OK, TaskServerError
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import Settings

PIDFILE_SECONDS = 5.0
"""How often the daemon looks whether its pidfile is still its own."""

ABANDON_SECONDS = 10.0
"""How long a service may take to end after it was told to end at once."""


@dataclass
class Supervised:
    """All that the supervisor needs. `read_settings` reads the configuration again for a reload."""

    settings: Settings
    read_settings: Callable[[], Settings]
    pidfile: PidFile
    logs: Logs
    listener: Listener
    notifier: Notifier = field(default_factory=Notifier)
    foreground: bool = False


class Supervisor:
    """Runs one service from its start to its end: `run` returns the exit code."""

    def __init__(self, service: Service, supervised: Supervised) -> None:
        self._service = service
        self._daemon = supervised
        self._settings = self._in_force = supervised.settings
        self._log = supervised.logs.logger
        self._inbox = signals.Inbox()
        self._console = ConsoleKeeper(self._log, foreground=supervised.foreground)
        self._reporter = Reporter(
            supervised.notifier, alive_at=service.alive_at, status=lambda: summary(service.status())
        )
        self._changed = False  # the service's status, as its thread has said
        self._notes: deque[str] = deque()  # what the service waits for, from its thread
        self._started = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._running = False
        self._told = False  # whoever waits for the start waits no longer
        self._waiting_since: float | None = None
        self._stops = 0
        self._next_look = time.monotonic() + PIDFILE_SECONDS
        self._abandoned_at: float | None = None
        self._reloaded: dict[str, Any] = {"count": 0, "faults": [], "restart": []}

    def run(self) -> int:
        """Start the service, serve until it has ended, and say with which exit code the process ends."""
        # The control socket goes before the console, which may just be asking it.
        with (
            self._inbox,
            contextlib.closing(self._console),
            contextlib.closing(self._open_control()) as control,
        ):
            threading.Thread(target=self._serve, name="service", daemon=True).start()
            self._loop(control)
            self._daemon.notifier.stopping()
        return self._exit_code()

    # --- the thread of the service

    def _serve(self) -> None:
        """Start and outlast the service. What it raises is kept for the main thread."""
        try:
            self._service.start(self._note_waiting, self._note_change, self._reporter.beat_seconds)
            self._started.set()
            self._inbox.notify()
            while not self._service.wait(3600):
                pass
            self._error = self._service.failure
        except BaseException as error:  # noqa: BLE001 - the service loop: whatever ends it becomes the exit code
            self._error = error
        self._ended.set()
        self._inbox.notify()

    def _note_waiting(self, text: str) -> None:
        self._notes.append(text)
        self._inbox.notify()

    def _note_change(self) -> None:
        """Wakes the main thread only for the first change that it has not told the manager yet."""
        if self._changed or self._reporter.has_news:
            return
        self._changed = True
        self._inbox.notify()

    # --- the main thread

    def _loop(self, control: ControlSocket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(control, selectors.EVENT_READ)
            selector.register(self._console, selectors.EVENT_READ)
            while not self._is_over():
                pause = control.serve()
                _watch_while(pause is None, selector, control)
                selector.select(self._patience(pause))
                self._take_notes()
                self._take_start()
                for number in self._inbox.take():
                    self._obey(number)
                self._console.step()
                self._look_after_pidfile()
                self._report()

    def _is_over(self) -> bool:
        if self._ended.is_set():
            return True
        overdue = self._abandoned_at is not None and time.monotonic() > self._abandoned_at + ABANDON_SECONDS
        if overdue:
            self._error = TimeoutError(f"the service did not end within {ABANDON_SECONDS:.0f} s")
        return overdue

    def _patience(self, pause: float | None) -> float | None:
        """Seconds until something is due that nobody announces; None: sleep until something happens."""
        now = time.monotonic()
        due = [self._next_look - now] if not self._stops else []
        waits = (pause, self._reporter.patience(), self._console.patience())
        due += [wait for wait in waits if wait is not None]
        if self._waiting_since is not None and not self._told and not self._stops:
            due.append(self._waiting_since + self._database_wait - now)
        if self._abandoned_at is not None:
            due.append(self._abandoned_at + ABANDON_SECONDS - now + 0.01)
        return max(0.0, min(due)) if due else None

    def _take_notes(self) -> None:
        while self._notes:
            text = self._notes.popleft()
            if self._waiting_since is None:
                self._waiting_since = time.monotonic()
                self._daemon.pidfile.note(state=WAITING)
            self._daemon.listener.waiting(text)
            self._reporter.changed()

    def _take_start(self) -> None:
        """starting -> running; or the patience of whoever waits for it is at its end. After a stop neither."""
        if self._stops:
            return
        if self._started.is_set() and not self._running:
            self._running = self._told = True
            status = self._service.status()
            facts = {"boot_id": str(status.get("boot_id", "")), "node": str(status.get("node_id", ""))}
            self._daemon.pidfile.note(state=READY, **facts)
            self._log.info("ready, pid %d", os.getpid())
            self._console.serve(self._in_force)
            self._daemon.listener.ready()
            self._reporter.changed()
        elif self._waiting_since is not None and not self._told:
            if time.monotonic() < self._waiting_since + self._database_wait:
                return
            self._told = True
            self._daemon.pidfile.note(state=GOING_ON)
            self._daemon.listener.going_on(translate("the database is still not there"))

    def _report(self) -> None:
        """To the manager, if there is one."""
        waits_for_database = self._waiting_since is not None and not self._told
        self._reporter.needs_time(waits_for_database or self._stops > 0)
        if self._changed:
            self._changed = False
            self._reporter.changed()
        self._reporter.step()

    @property
    def _database_wait(self) -> float:
        return self._settings.database_wait.total_seconds()

    def _look_after_pidfile(self) -> None:
        """Whose pidfile was removed or replaced can't be found any more, and another daemon may take the place."""
        now = time.monotonic()
        if now < self._next_look or self._stops:
            return
        self._next_look = now + PIDFILE_SECONDS
        if not self._daemon.pidfile.is_in_place():
            self._log.error("the pidfile %s was removed or replaced", self._daemon.pidfile.path)
            self._stop("the pidfile is gone")

    # --- signals

    def _obey(self, number: signal.Signals) -> None:
        if number in signals.STOP:
            self._stop(number.name)
        elif number is signal.SIGHUP:
            self._reload()
        elif number is signal.SIGUSR2:
            self._dump_threads()
        else:
            self._service.wake()

    def _stop(self, name: str) -> None:
        """The first time drain; a second time, or while there is nothing to drain yet, end at once.

        With a request of `stop --timeout` the draining takes as long as that says, also when it had begun.
        """
        asked = stop_request.take(self._daemon.pidfile.users_dir)
        self._take_start()  # a service that has started by now may have claimed jobs, which get their time
        self._stops += 1
        if self._running and self._abandoned_at is None and (self._stops == 1 or asked is not None):
            seconds = self._settings.drain_timeout.total_seconds() if asked is None else asked
            self._log.info("%s: running jobs get up to %.0f s to end", name, seconds)
            self._service.drain(seconds)
            self._daemon.notifier.stopping(summary(self._service.status()))
            return
        if self._abandoned_at is None:
            self._log.warning("%s: ending at once", name)
            self._abandoned_at = time.monotonic()
        self._service.abandon()

    def _reload(self) -> None:
        """All or nothing: a faulty configuration leaves the old one in force."""
        self._log.info("SIGHUP: reading the configuration again")
        self._daemon.notifier.reloading()
        faults: list[str] = []
        restart: list[str] = []
        try:
            restart = self._apply(self._daemon.read_settings())
        except TaskServerError as error:
            faults = error.message().splitlines()
            self._daemon.logs.reopen(self._settings)
            self._log.error("the configuration stays as it was: %s", error)
        if restart:
            self._log.warning("these settings change with the next restart: %s", ", ".join(restart))
        self._reloaded = {"count": self._reloaded["count"] + 1, "faults": faults, "restart": restart}
        self._daemon.notifier.ready()
        self._reporter.changed()

    def _apply(self, settings: Settings) -> list[str]:
        self._daemon.logs.require(settings)
        restart = sorted(self._service.reload(settings))
        self._daemon.logs.reopen(settings)
        self._in_force = _taken_over(settings, self._in_force, restart)
        if self._running:
            self._console.serve(self._in_force)
        self._settings = settings
        self._daemon.pidfile.note(drain=f"{settings.drain_timeout.total_seconds():g}")
        return restart

    def _dump_threads(self) -> None:
        import faulthandler

        with tempfile.TemporaryFile() as dump:
            faulthandler.dump_traceback(dump)
            dump.seek(0)
            self._log.warning("SIGUSR2: what the threads do\n%s", dump.read().decode("utf-8", "replace").rstrip())

    # --- control socket and end

    def _open_control(self) -> ControlSocket:
        return ControlSocket(self._daemon.pidfile, wake=self._service.wake, status=self._status)

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            **self._service.status(),
            "console": self._console.status(),
            "reload": self._reloaded,
        }

    def _exit_code(self) -> int:
        """0 after a stop that was asked for; else the code of what ended the service."""
        error = self._error
        if error is None or (self._stops and not self._running):
            self._log.info("ended")
            if not self._running:
                self._daemon.listener.failed(translate("it was stopped before it was ready"), EXIT_ERROR)
            return EXIT_OK
        known = isinstance(error, TaskServerError)
        self._log.critical("the task server ends: %s", error, exc_info=None if known else error)
        text = error.message() if isinstance(error, TaskServerError) else f"{type(error).__name__}: {error}"
        code = error.exit_code if isinstance(error, TaskServerError) else EXIT_ERROR
        self._daemon.listener.failed(text, code)
        return code


def _watch_while(wanted: bool, selector: selectors.BaseSelector, control: ControlSocket) -> None:
    """While its clients ask too much, the control socket is left alone; everything else goes on."""
    watched = control in selector.get_map()
    if wanted and not watched:
        selector.register(control, selectors.EVENT_READ)
    if watched and not wanted:
        selector.unregister(control)


def _taken_over(settings: Settings, before: Settings, restart: list[str]) -> Settings:
    """Without what changes with a restart alone: the console must look at the database of this daemon."""
    names = [key.removeprefix("task_server.") for key in restart]
    return settings.model_copy(update={name: getattr(before, name) for name in names})
