"""The log in the machine's syslog, whichever daemon reads /dev/log, as syslog(3) of the C library writes there."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from taskserver.daemon.logs.channel import Channel
from taskserver.daemon.logs.formats import indented, priority
from taskserver.daemon.logs.handler import LogHandler, Patience

SYSLOG_SOCKET = Path("/dev/log")
IDENTIFIER = "taskserver"

MOST_BYTES = 1024
"""Of one message with its head: RFC 3164, and what every reader takes whole."""
MOST_MESSAGES = 200
"""Of one record: a traceback has a message for each line; what is longer is cut."""

_DAEMON = 3 << 3
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class SyslogHandler(LogHandler):
    """A message for each line. Raises NobodyTakesLogs without a syslog; one that goes away may come back."""

    def __init__(self, *, socket: Path | None = None) -> None:
        super().__init__()
        self._channel = Channel(socket or SYSLOG_SOCKET, end=b"\0")
        self._channel.require("syslog")

    def write(self, record: logging.LogRecord, patience: Patience) -> None:
        head = _head(record)
        pieces = _pieces(f"{record.levelname} {indented(record)}", MOST_BYTES - len(head))
        for piece in islice(pieces, MOST_MESSAGES):
            self._channel.send(head + piece, patience)
        if next(pieces, None) is not None:
            self._channel.send(head + "… the rest is left out".encode(), patience)

    def close(self) -> None:
        super().close()
        self._channel.close()


def _head(record: logging.LogRecord) -> bytes:
    """`<28>Nov 22 08:00:00 taskserver[4711]: `, in the machine's time."""
    at = time.localtime(record.created)
    clock = time.strftime("%H:%M:%S", at)
    number = _DAEMON | priority(record)
    return f"<{number}>{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2} {clock} {IDENTIFIER}[{os.getpid()}]: ".encode()


def _pieces(text: str, most: int) -> Iterator[bytes]:
    """The lines of `text`, each in pieces of at most `most` bytes that begin and end with whole characters."""
    for line in text.split("\n"):
        data = line.encode("utf-8", "backslashreplace")
        while len(data) > most:
            end = most
            while data[end] & 0xC0 == 0x80:
                end -= 1
            yield data[:end]
            data = b"    " + data[end:]
        yield data
