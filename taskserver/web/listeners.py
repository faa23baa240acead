"""Who listens to events: how many may at once, and how all are ended. Lives in the event loop's thread alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from taskserver.texts import mark
from taskserver.web.security.throttle import TooManyAttempts

MOST = 50
MOST_OF_ONE = 10
LASTS = 60.0
"""So many seconds a stream lasts: then its listener comes again, and the gate looks anew who it is."""

QUIET = 15.0
"""After so many seconds without an event a comment tells proxies that the stream is alive."""

AGAIN = 10


class TooManyListeners(TooManyAttempts):
    text = mark("too many programs listen to events already; try again in {seconds} s")


@dataclass(eq=False)
class Listener:
    """`ended` is set when the console ends."""

    who: Hashable
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Listeners:
    def __init__(self, *, most: int = MOST, most_of_one: int = MOST_OF_ONE, lasts: float = LASTS) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self.lasts = lasts
        self.quiet = QUIET
        self._present: set[Listener] = set()
        self._ending = False

    def join(self, who: Hashable) -> Listener:
        """Raises TooManyListeners."""
        of_one = Counter(each.who for each in self._present)[who]
        if self._ending or len(self._present) >= self.most or of_one >= self.most_of_one:
            raise TooManyListeners(seconds=AGAIN)
        listener = Listener(who)
        self._present.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._present.discard(listener)

    def end_all(self) -> None:
        """The console ends: so do the streams, and no new one begins."""
        self._ending = True
        for listener in self._present:
            listener.ended.set()

    def __len__(self) -> int:
        return len(self._present)
