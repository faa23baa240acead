"""The log in a file that others may rotate, truncate or remove while the daemon writes it."""

from __future__ import annotations

import logging
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from taskserver import plain_files
from taskserver.daemon.folders import FILE_MODE, LogRefused
from taskserver.daemon.logs.formats import Form
from taskserver.daemon.logs.handler import LogHandler, Patience

LOOK_SECONDS = 1.0
"""How often it is looked whether the file is still at its place."""


class FileHandler(LogHandler):
    """Appends whole lines with one write each. A file that was moved or removed is opened anew by its name."""

    def __init__(self, path: Path, form: Form, *, streams: tuple[int, ...] = ()) -> None:
        """`streams`: descriptors that lead to the file as well. Raises LogRefused."""
        super().__init__()
        self.path = path
        self.descriptor = -1
        self._form = form
        self._streams = streams
        self._torn = False
        self._next_look = 0.0
        self._use(open_log(path))

    def write(self, record: logging.LogRecord, patience: Patience) -> None:
        self._look()
        line = (self._form(record) + "\n").encode("utf-8", "backslashreplace")
        if self._torn:
            line = b"\n" + line
        written = os.write(self.descriptor, line)
        self._torn = written < len(line)
        if self._torn:
            raise OSError(0, "the disk has room for a part of a line only")

    def close(self) -> None:
        super().close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _use(self, descriptor: int) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = descriptor
        self._next_look = time.monotonic() + LOOK_SECONDS
        for stream in self._streams:
            os.dup2(descriptor, stream)

    def _look(self) -> None:
        """Raises OSError when the file was removed and can't be made again: nobody would see the line."""
        now = time.monotonic()
        if now < self._next_look:
            return
        status = os.fstat(self.descriptor)
        with suppress(OSError):
            if os.path.samestat(status, self.path.lstat()):
                self._next_look = now + LOOK_SECONDS
                return
        try:
            self._use(open_log(self.path))
        except LogRefused as error:
            if not status.st_nlink:
                raise OSError(0, f"it was removed, and {error}") from None
            self._next_look = now + LOOK_SECONDS  # moved: the old file is still somewhere to be read


def open_log(path: Path) -> int:
    """A descriptor that appends to the plain file at `path`, made with mode 0640. Raises LogRefused."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as error:
        raise LogRefused(path=path, reason=plain_files.fault_at(path) or error.strerror) from None
    if reason := plain_files.fault(os.fstat(descriptor)):
        os.close(descriptor)
        raise LogRefused(path=path, reason=reason)
    return descriptor


def tail(path: Path | None, *, lines: int = 10) -> list[str]:
    """The last lines of a log, for somebody who waits for a daemon that has died; [] if it cannot be read."""
    if path is None:
        return []
    try:
        # by root in a folder of another user: a link is not followed, and a FIFO does not hold us up
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as log:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return []
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
            return log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
