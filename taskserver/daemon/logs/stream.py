"""The log on standard error: for service managers that keep what a daemon prints, and for people who watch."""

from __future__ import annotations

import errno
import logging
import os
import select
import time
from collections.abc import Mapping

from taskserver.daemon.logs.formats import Form
from taskserver.daemon.logs.handler import LogHandler, Patience

_PIECE = 4096
"""Of a pipe that is ready, so much is taken without waiting (PIPE_BUF)."""


class StreamHandler(LogHandler):
    """Writes to a descriptor. Whoever reads it too slowly, or no more, loses lines and holds nobody up."""

    def __init__(self, descriptor: int, form: Form) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._form = form
        self._torn = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, record: logging.LogRecord, patience: Patience) -> None:
        line = (self._form(record) + "\n").encode("utf-8", "backslashreplace")
        if self._torn:
            line = b"\n" + line
        for start in range(0, len(line), _PIECE):
            self._await_reader(patience)
            piece = line[start : start + _PIECE]
            self._torn = True
            while piece:
                piece = piece[os.write(self._descriptor, piece) :]
        self._torn = False

    def _await_reader(self, patience: Patience) -> None:
        before = time.monotonic()
        ready = self._poll.poll(patience.left() * 1000)
        patience.spend(before)
        if not ready:
            raise OSError(errno.EAGAIN, "nobody reads standard error")


def goes_to_journal(environment: Mapping[str, str]) -> bool:
    """Whether standard error is the journal's own stream: JOURNAL_STREAM names its device and inode."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
