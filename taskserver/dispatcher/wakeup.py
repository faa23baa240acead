"""What wakes the dispatcher from its sleep: anybody's `wake`, or news from the database."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable
from typing import Protocol


class News(Protocol):
    """A database connection that becomes readable when other programs have queued jobs."""

    def fileno(self) -> int: ...

    def drain(self) -> bool: ...

    def close(self) -> None: ...


class Wakeup:
    """One sleeper, any number of wakers. A wake before the sleep ends the sleep at once."""

    def __init__(self, listen: Callable[[], News | None]) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._listen = listen
        self._news: News | None = None

    def wake(self) -> None:
        """From any thread, and from signal handlers; many wakes make one."""
        with contextlib.suppress(OSError):  # closed: nobody sleeps any more
            os.eventfd_write(self._descriptor, 1)

    def listen(self) -> None:
        """Opens the news again, after the database was away."""
        self.deafen()
        self._news = self._listen()

    def keep_listening(self) -> None:
        """Opens the news again if their connection was lost on its own."""
        if self._news is None:
            self._news = self._listen()

    def deafen(self) -> None:
        """Gives the news up."""
        if self._news is not None:
            news, self._news = self._news, None
            news.close()

    def sleep(self, seconds: float) -> bool:
        """Until somebody wakes us or the time is over; True: somebody did."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        try:
            if self._news is not None:
                poll.register(self._news.fileno(), select.POLLIN)
            woken = bool(poll.poll(max(0.0, seconds) * 1000))
            if self._news is not None and woken:
                self._news.drain()
        except OSError:
            self.deafen()
            return True
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)
        return woken

    def close(self) -> None:
        self.deafen()
        os.close(self._descriptor)
