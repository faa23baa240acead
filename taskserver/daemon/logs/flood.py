"""The gate before a log: who floods it is held back for a while, so that everybody else is still heard.

journald and rsyslog limit a service as a whole, and would drop the lines of the daemon and of other jobs with
those of the one that floods. Here each run counts alone, and so does each logger with each of its levels.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from threading import Lock

from taskserver.log_fields import about_nobody, fields_of

WINDOW_SECONDS = 30.0
MOST_LINES = 2000
"""In one window from one source; journald's own limit is 10000 for a whole service."""


class _Source:
    """One that logs: since when its window lasts, how many lines it had in it, and in whose name to say more."""

    __slots__ = ("count", "since", "speaker")

    def __init__(self, since: float) -> None:
        self.since = since
        self.count = 0
        self.speaker: logging.LogRecord | None = None

    def is_over(self, now: float) -> bool:
        return now >= self.since + WINDOW_SECONDS

    def left_out(self) -> list[logging.LogRecord]:
        if self.speaker is None or self.count <= MOST_LINES:
            return []
        return [_note(self.speaker, f"{self.count - MOST_LINES} lines were left out")]


class FloodGate:
    """Decides which records pass. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._sources: dict[Hashable, _Source] = {}
        self._next_look = clock() + WINDOW_SECONDS

    def admit(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """What to log now: the record, unless its source floods, and what there is to say about floods."""
        now = self._clock()
        key = _source(record)
        with self._lock:
            said = self._forget(now) if now >= self._next_look else []
            source = self._sources.get(key)
            if source is None or source.is_over(now):
                said += source.left_out() if source else []
                source = self._sources[key] = _Source(now)
            source.count += 1
            if source.count <= MOST_LINES:
                said.append(record)
            if source.count == MOST_LINES:
                source.speaker = _note(record, _announcement(record))
                said.append(source.speaker)
        return said

    def _forget(self, now: float) -> list[logging.LogRecord]:
        """Forgets the sources whose window is over; returns what is to be said of them."""
        self._next_look = now + WINDOW_SECONDS
        over = [(key, source) for key, source in self._sources.items() if source.is_over(now)]
        for key, _ in over:
            del self._sources[key]
        return [said for _, source in over for said in source.left_out()]


def _source(record: logging.LogRecord) -> Hashable:
    about = fields_of(record)
    if about is not None and about.by_task:
        return about.run_id
    return (record.name, record.levelno)


def _announcement(record: logging.LogRecord) -> str:
    text = f"{MOST_LINES} lines within {WINDOW_SECONDS:.0f} s: further ones are left out here"
    about = fields_of(record)
    kept = about is not None and about.by_task and record.name.startswith("taskserver.task.")
    return f"{text}; `job log {about.job_id}` has them" if about is not None and kept else text


def _note(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """A warning in the name of who said `record`, and about its run if a task has said it."""
    made = logging.LogRecord(record.name, logging.WARNING, __file__, 0, text, None, None)
    about = fields_of(record)
    made.__dict__.update({"about": about} if about is not None and about.by_task else about_nobody())
    return made
