"""What a service manager hears while the daemon lives: how it is, that it is alive, and that it needs time.

Stepped by the supervisor between two sleeps; `patience` says for how long it may sleep. An idle daemon is woken
for the watchdog alone. That the daemon is alive is never taken for granted here: the service's own beat must have
advanced, so a supervisor that still runs beside a stuck dispatcher keeps silent and is ended by the manager.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from taskserver.daemon.sdnotify import Notifier

STATUS_SECONDS = 1.0
"""The status is sent at most this often, however often it changes."""

EXTENSION_SECONDS = 30.0
EXTENDED_EVERY_SECONDS = 10.0
"""While the daemon needs time, it asks for this much, this often; for as long as its service goes on."""

_LOOKS = 3
"""A look at the beat this often within the time of the watchdog: one may come too early and find none."""


class Reporter:
    """For one manager, or for none: then nothing is ever due. Used by the main thread alone."""

    def __init__(
        self,
        notifier: Notifier,
        *,
        alive_at: Callable[[], float],
        status: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier = notifier
        self._clock = clock
        self._alive_at = alive_at
        self._status = status
        self._status_due: float | None = None
        self._status_rests_until = 0.0
        self._look_due = clock() if notifier.watchdog_seconds else None
        self._extension_due: float | None = None
        self._fed = self._extended = 0.0  # the beats that were passed on last

    @property
    def beat_seconds(self) -> float | None:
        """How often the service is to beat at least; None: as it likes."""
        watchdog = self._notifier.watchdog_seconds
        return watchdog / _LOOKS / 2 if watchdog else None

    def changed(self) -> None:
        """The status may be another; it is sent as soon as the rate allows."""
        if self._notifier.is_heard and self._status_due is None:
            self._status_due = max(self._clock(), self._status_rests_until)

    @property
    def has_news(self) -> bool:
        """Whether a changed status waits to be sent: to say once more that it has changed is needless."""
        return self._status_due is not None or not self._notifier.is_heard

    def needs_time(self, needed: bool) -> None:
        """Whether the start or the stop may take longer than the manager expects."""
        if not needed:
            self._extension_due = None
        elif self._notifier.is_heard and self._extension_due is None:
            self._extension_due = self._clock()

    def patience(self) -> float | None:
        """Seconds until `step` has something to do; None: until something happens."""
        due = [at for at in (self._status_due, self._look_due, self._extension_due) if at is not None]
        return max(0.0, min(due) - self._clock()) if due else None

    def step(self) -> None:
        """Do what is due."""
        now = self._clock()
        if self._status_due is not None and now >= self._status_due:
            self._status_due, self._status_rests_until = None, now + STATUS_SECONDS
            self._notifier.status(self._status())
        if self._look_due is not None and now >= self._look_due:
            self._look_due = now + (self._notifier.watchdog_seconds or 0.0) / _LOOKS
            if (beat := self._alive_at()) > self._fed:
                self._fed = beat
                self._notifier.alive()
        if self._extension_due is not None and now >= self._extension_due:
            self._extension_due = now + EXTENDED_EVERY_SECONDS
            if (beat := self._alive_at()) > self._extended:
                self._extended = beat
                self._notifier.extend(EXTENSION_SECONDS)
