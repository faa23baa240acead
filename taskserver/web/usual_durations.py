"""How long tasks usually take, asked of the database once a minute and not for each look at a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from datetime import timedelta

from taskserver.web.scope import Scope

KEPT_SECONDS = 60.0
_MOST = 200

Durations = dict[str, timedelta]


class UsualDurations:
    """Kept for each set of clients that somebody may see: nobody learns from others' runs.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Collection[int] | None, tuple[float, Durations]] = {}

    def of(self, scope: Scope) -> Durations:
        key = scope.principal.visible
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]
        found = scope.runs.durations()
        with self._lock:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[key] = (now, found)
        return found
