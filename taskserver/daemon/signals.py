"""Signals as messages: what the main thread finds in its inbox between two steps.

A signal only puts its number into the inbox and ends the sleep of whoever selects on it; other threads end that
sleep with `notify`. Used by the supervisor alone, since Python hands signals to the main thread only.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections import deque
from types import TracebackType
from typing import Self

STOP = (signal.SIGTERM, signal.SIGINT)
HANDLED = frozenset(
    {*STOP, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2},
)


class Inbox:
    """Receives the HANDLED signals while its context lasts. Can be selected on."""

    def __init__(self) -> None:
        self._numbers: deque[int] = deque()
        self._sender, self._receiver = socket.socketpair()
        for channel in (self._sender, self._receiver):
            channel.setblocking(False)
        self._previous: dict[int, object] = {}
        self._previous_wakeup = -1

    def fileno(self) -> int:
        return self._receiver.fileno()

    def notify(self) -> None:
        """End the sleep of the main thread. From any thread."""
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            self._sender.send(b"\0")

    def take(self) -> list[signal.Signals]:
        """The signals received since the last call. A stop counts each time, any other once."""
        with contextlib.suppress(BlockingIOError):
            while self._receiver.recv(4096):
                pass
        taken = []
        while self._numbers:
            taken.append(signal.Signals(self._numbers.popleft()))
        return taken

    def __enter__(self) -> Self:
        self._previous_wakeup = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            self._previous[number] = signal.signal(number, self._received)
        self._previous[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # A caller may have left children ignored: then nobody would ever learn how one ended.
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, number: int, _frame: object) -> None:
        if number in STOP or number not in self._numbers:
            self._numbers.append(number)
