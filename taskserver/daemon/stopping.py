"""Stopping the daemon from outside: ask, wait while it drains, insist, and at last kill.

Called by `stop` and `restart`. Needs neither configuration nor database: how long the daemon drains stands in its
pidfile, and what it still does comes from its control socket.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskserver.daemon import control, pidfile, process, stop_request
from taskserver.daemon.proof import ProvenDaemon
from taskserver.errors import TaskServerError
from taskserver.texts import mark, plural, translate

DEFAULT_DRAIN_SECONDS = 30.0
GRACE_SECONDS = 15.0
"""What the daemon gets beyond its drain time to ask jobs to stop, and again to release them."""

_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_KILL_SECONDS = 10.0
_READING_SECONDS = 10.0


class WillNotDie(TaskServerError):
    text = mark("the task server (pid {pid}) did not end even after SIGKILL; it hangs in the kernel")


@dataclass(frozen=True, slots=True)
class Progress:
    """How to tell the caller: `say` prints a line that stays, `tick` one that may be replaced by the next."""

    say: Callable[[str], None]
    tick: Callable[[str], None]
    every: float = 5.0


def stop(
    users_dir: Path,
    progress: Progress,
    *,
    timeout: float | None = None,
    now: bool = False,
    grace: float = GRACE_SECONDS,
) -> int:
    """Stop the proven daemon of `users_dir`, and return its pid once it has ended.

    `timeout` bounds the draining in seconds instead of the configuration's drain_timeout, `now` skips it.
    Raises NotRunning, Unproven, SignalRefused, RequestNotLeft, WillNotDie.
    """
    with ProvenDaemon.find(users_dir) as daemon:
        drain = 0.0 if now else _drain_seconds(daemon) if timeout is None else timeout
        _ask(daemon, users_dir, seconds=drain)
        patience = drain if now or timeout is not None else drain + grace
        if _watch(daemon, users_dir, progress, seconds=patience):
            return daemon.pid
        if not now:
            progress.say(translate("its time is up: jobs that still run are stopped and released"))
        if _insist(daemon, seconds=grace):
            return daemon.pid
        progress.say(translate("it does not end; it is killed (SIGKILL)"))
        daemon.send(signal.SIGKILL)
        if not daemon.ended(within=_KILL_SECONDS):
            raise WillNotDie(pid=daemon.pid)
        pidfile.remove_stale(users_dir)
        return daemon.pid


def _ask(daemon: ProvenDaemon, users_dir: Path, *, seconds: float) -> None:
    """The first SIGTERM. A shorter time than the daemon's own needs no word: `_insist` ends the draining then."""
    may_signal = os.geteuid() in {0, process.real_uid(daemon.pid)}
    if seconds <= _drain_seconds(daemon) or not may_signal:
        daemon.send(signal.SIGTERM)
        return
    with stop_request.left(users_dir, daemon.pid, seconds):
        daemon.send(signal.SIGTERM)
        _await_reading(daemon, users_dir)


def _await_reading(daemon: ProvenDaemon, users_dir: Path) -> None:
    """Until the daemon has taken the request away, or has ended; not for long, for it may be frozen."""
    deadline = time.monotonic() + _READING_SECONDS
    while time.monotonic() < deadline and stop_request.lies(users_dir):
        if daemon.ended(within=_PAUSE_SECONDS):
            return


def _insist(daemon: ProvenDaemon, *, seconds: float) -> bool:
    """Signal again and again: a second SIGTERM means at once, but one that follows too closely is not seen."""
    deadline, pause = time.monotonic() + seconds, _PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if daemon.ended(within=min(pause, left)):
            return True
        daemon.send(signal.SIGTERM)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    return daemon.ended(within=0)


def _watch(daemon: ProvenDaemon, users_dir: Path, progress: Progress, *, seconds: float) -> bool:
    """Wait for the end and tell now and then what is still going on."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if daemon.ended(within=min(progress.every, left)):
            return True
        if left > progress.every:
            status = control.ask_status(users_dir, timeout=1.0)
            progress.tick(_sentence(status, left=max(0.0, deadline - time.monotonic())))
    return daemon.ended(within=0)


def _sentence(status: dict[str, Any] | None, *, left: float) -> str:
    busy = status.get("busy") if status else None
    if not isinstance(busy, int):
        return translate("waiting for the task server to end; {left:.0f} s left", left=left)
    return plural(
        "{count} job still runs; {left:.0f} s left", "{count} jobs still run; {left:.0f} s left", busy, left=left
    )


def _drain_seconds(daemon: ProvenDaemon) -> float:
    noted = daemon.record.drain_seconds
    return DEFAULT_DRAIN_SECONDS if noted is None else noted
