"""Commands for a daemon that runs: stop, reload, wake. They need no database and, but for reload, no settings."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from taskserver.cli.lifecycle_place import users_dir
from taskserver.cli.output import note, print_json
from taskserver.cli.session import Session
from taskserver.daemon import control, pidfile, stopping
from taskserver.daemon.pidfile import State
from taskserver.daemon.proof import NotRunning, ProvenDaemon
from taskserver.errors import EXIT_NOT_CONFIGURED, EXIT_OK, NotAllowed
from taskserver.texts import mark, translate

RELOAD_SECONDS = 10.0

_LINE_SECONDS = 5.0
_TICK_SECONDS = 0.5


class NotReadable(NotAllowed):
    text = mark("whether the task server is running cannot be told: {reason}")


def runs(session: Session) -> bool:
    """Whether there is a daemon. Raises NotReadable where that cannot be told."""
    reading = pidfile.read(users_dir(session))
    if reading.state is State.UNKNOWN:
        raise NotReadable(reason=reading.reason)
    return reading.state is State.RUNNING


def stop(session: Session, *, timeout: float | None, now: bool) -> int:
    """Stop the daemon; also right if there is none, and then a pidfile left behind is cleared away."""
    folder = users_dir(session)
    try:
        pid = stopping.stop(folder, _progress(), timeout=timeout, now=now)
    except NotRunning:
        pidfile.remove_stale(folder)
        note(translate("the task server is not running"))
        return EXIT_OK
    note(translate("the task server (pid {pid}) has stopped", pid=pid))
    return EXIT_OK


def reload(session: Session) -> int:
    """Check the configuration, then let the daemon take it over and say what it made of it."""
    folder = users_dir(session)
    with ProvenDaemon.find(folder) as daemon:
        session.settings  # noqa: B018 - a faulty configuration is told here, and the daemon left alone
        before = _reloads(folder)
        daemon.send(signal.SIGHUP)
    answer = _await_reload(folder, before)
    if session.json:
        print_json(answer or {"answering": False})
    if answer is None:
        note(translate("asked to reload; the daemon does not answer, its log tells the outcome"))
        return EXIT_OK
    if answer["faults"]:
        note(translate("the daemon keeps its old configuration:"))
        for fault in answer["faults"]:
            note(f"  {fault}")
        return EXIT_NOT_CONFIGURED
    if answer["restart"]:
        note(translate("these settings change with the next restart: {keys}", keys=", ".join(answer["restart"])))
    note(translate("the configuration was read again"))
    return EXIT_OK


def reopen(session: Session) -> int:
    """Let the daemon, if there is one, open its log anew; a faulty configuration does not hinder it."""
    folder = users_dir(session)
    answer = None
    with suppress(NotRunning), ProvenDaemon.find(folder) as daemon:
        before = _reloads(folder)
        daemon.send(signal.SIGHUP)
        answer = _await_reload(folder, before)
    if session.json:
        print_json(answer or {"answering": False})
    return EXIT_OK


def wake(session: Session) -> int:
    """Wake over the control socket; by a signal where that does not answer."""
    folder = users_dir(session)
    with ProvenDaemon.find(folder) as daemon:
        if not control.wake(folder / control.NAME):
            daemon.send(signal.SIGALRM)
    return EXIT_OK


def _reloads(folder: Path) -> dict[str, Any]:
    status = control.ask_status(folder, timeout=2.0) or {}
    found = status.get("reload")
    return found if isinstance(found, dict) else {}


def _await_reload(folder: Path, before: dict[str, Any]) -> dict[str, Any] | None:
    deadline = time.monotonic() + RELOAD_SECONDS
    while before and time.monotonic() < deadline:
        found = _reloads(folder)
        if found.get("count", 0) > before.get("count", 0):
            return found
        time.sleep(0.05)
    return None


def _progress() -> stopping.Progress:
    """On a terminal one line that changes, elsewhere a line every few seconds."""
    if not sys.stderr.isatty():
        return stopping.Progress(say=note, tick=note, every=_LINE_SECONDS)
    clear = "\r\x1b[K"

    def tick(text: str) -> None:
        print(clear + text, end="", file=sys.stderr, flush=True)  # noqa: T201

    def say(text: str) -> None:
        print(clear + text, file=sys.stderr, flush=True)  # noqa: T201

    return stopping.Progress(say=say, tick=tick, every=_TICK_SECONDS)
