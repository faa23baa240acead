"""Lines of the log that whoever attacks could have written by the thousand: the first at once, then a few."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

SECONDS_BETWEEN = 10.0


class Rarely:
    """Belongs to one thread."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._kept_back: dict[str, int] = {}

    def warning(self, text: str, *values: object) -> None:
        """As a logger's, but each text once in ten seconds, then with the number of those that were kept back."""
        now = self._clock()
        if now - self._told_at.get(text, -SECONDS_BETWEEN) < SECONDS_BETWEEN:
            self._kept_back[text] = self._kept_back.get(text, 0) + 1
            return
        self._told_at[text] = now
        kept_back = self._kept_back.pop(text, 0)
        more = f" (and {kept_back} more like it before)" if kept_back else ""
        self._log.warning(f"{text}{more}", *values)
