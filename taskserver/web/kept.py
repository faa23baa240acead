"""What the database is asked for once in a while, and not for each look at a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

from taskserver.web.scope import Scope

DURATIONS_SECONDS = 60.0
COUNTS_SECONDS = 1.0
_MOST = 200

Answer = TypeVar("Answer")
Durations = dict[str, timedelta]
Counts = dict[str, int]


class Kept(Generic[Answer]):
    """Answers by a key, each for so many seconds. Threads may share it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Answer]] = {}
        self._forgotten = 0

    def get(self, key: Hashable, ask: Callable[[], Answer]) -> Answer:
        now = time.monotonic()
        with self._lock:
            kept, forgotten = self._kept.get(key), self._forgotten
        if kept is not None and now - kept[0] < self._seconds:
            return kept[1]
        found = ask()
        with self._lock:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            if forgotten == self._forgotten:  # else it may be from before whatever has changed
                self._kept[key] = (now, found)
        return found

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._forgotten += 1


class UsualDurations:
    """How long tasks usually take. Kept for each set of clients that somebody may see: nobody learns from
    others' runs."""

    def __init__(self) -> None:
        self._kept: Kept[Durations] = Kept(DURATIONS_SECONDS)

    def of(self, scope: Scope) -> Durations:
        return self._kept.get(scope.principal.visible, scope.runs.durations)


class JobCounts:
    """How many jobs have each status: ten people who look at the same page need not all be counted for.

    Whoever changes something sees what they have done: see `forget`.
    """

    def __init__(self) -> None:
        self._kept: Kept[Counts] = Kept(COUNTS_SECONDS)

    def of(self, scope: Scope, *, client: str | None = None, task: str | None = None) -> Counts:
        """As `scope.jobs.counts`."""
        key = (scope.principal.visible, client, task)
        return self._kept.get(key, lambda: scope.jobs.counts(client=client, task=task))

    def forget(self) -> None:
        """After a request that may have changed jobs."""
        self._kept.forget()
