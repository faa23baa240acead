"""Logins wait for their turn in the event loop, where waiting holds no thread: pages of others stay quick.

Each costs a tenth of a second of one processor, and there are fewer threads than people who guess.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskserver.texts import mark
from taskserver.web.security.throttle import TooManyAttempts, network

AT_ONCE = 2
MOST = 40
MOST_OF_ONE = 10
AGAIN = 2


class TooManyLogins(TooManyAttempts):
    text = mark("too many people sign in at this moment; try again in {seconds} s")


class Turns:
    """Lives in the event loop's thread alone."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, source: str) -> AsyncIterator[None]:
        """In the order in which they came. Raises TooManyLogins where too many wait, or too many from there."""
        place = network(source)
        if self._present.total() >= MOST or self._present[place] >= MOST_OF_ONE:
            raise TooManyLogins(seconds=AGAIN)
        self._present[place] += 1
        try:
            async with self._free:
                yield
        finally:
            self._present[place] -= 1
            if not self._present[place]:
                del self._present[place]
