"""The dispatcher's beat: the proof that its loop still comes round.

The loop strikes; whoever has to know asks `at`. A loop that waits for the database counts as alive: a lock that
somebody holds for an hour, or a server that is away, is nothing that a restart of the daemon would mend.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Beat:
    """Struck by one thread, asked by any. `seconds`: how often it is to be struck; None: nobody listens."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self._at = time.monotonic()
        self._waiting = False

    def strike(self) -> None:
        self._at = time.monotonic()

    @contextmanager
    def waiting_for_database(self) -> Iterator[None]:
        """Around what may last for as long as the database pleases."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False
            self.strike()

    def at(self) -> float:
        """When it was struck last, on the monotonic clock; now while it waits for the database."""
        return time.monotonic() if self._waiting else self._at

    def bounded(self, seconds: float) -> float:
        """A sleep of `seconds`, shortened so that the next beat is in time."""
        return seconds if self.seconds is None else min(seconds, self.seconds)
