"""What the database is asked for once in a while, and not for each look at a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from taskserver.store import Page
from taskserver.web.scope import Scope

DURATIONS_SECONDS = 60.0
LOOKS_SECONDS = 1.0

Answer = TypeVar("Answer")
Durations = dict[str, timedelta]
Counts = dict[str, int]
Row = dict[str, Any]


class Kept(Generic[Answer]):
    """Answers by a key, each for so many seconds; what is older is thrown away. Threads may share it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Answer]] = {}
        self._forgotten = 0

    def get(self, key: Hashable, ask: Callable[[], Answer], *, anew: bool = False) -> Answer:
        """What is kept, unless it is to be asked `anew`."""
        now = time.monotonic()
        with self._lock:
            kept, forgotten = self._kept.get(key), self._forgotten
        if kept is not None and not anew and now - kept[0] < self._seconds:
            return kept[1]
        found = ask()
        with self._lock:
            self._kept = {each: old for each, old in self._kept.items() if now - old[0] < self._seconds}
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


@dataclass(frozen=True, slots=True)
class Look:
    """What the page of jobs shows of the database. Many read it: nobody changes what is in it.

    `drawn`: parts of the page that were drawn of it, for whoever may see and do the same.
    """

    page: Page
    offered: list[Row]
    clients: list[Row]
    drawn: dict[Hashable, str] = field(default_factory=dict)


class Looks:
    """What pages that bring themselves up to date ask for again and again: ten people who look at the same one
    need not all be asked for.

    Whoever changes something sees what they have done: see `forget`.
    """

    def __init__(self) -> None:
        self._kept: Kept[Any] = Kept(LOOKS_SECONDS)

    def counts(self, scope: Scope, *, client: str | None = None, task: str | None = None) -> Counts:
        """As `scope.jobs.counts`."""
        key = ("counts", scope.principal.visible, client, task)
        counts: Counts = self._kept.get(key, lambda: scope.jobs.counts(client=client, task=task))
        return counts

    def jobs(self, scope: Scope, *, anew: bool, **asked: Any) -> Look:
        """`asked` as `scope.jobs.page` has it; `anew`: what is kept does not do."""

        def ask() -> Look:
            page = scope.jobs.page(**asked)
            offered = scope.server.tasks() if scope.principal.grants else []
            return Look(page, offered, scope.clients.find(counted=False))

        look: Look = self._kept.get(("jobs", scope.principal.visible, repr(asked)), ask, anew=anew)
        return look

    def forget(self) -> None:
        """After a request that may have changed something."""
        self._kept.forget()
