"""The log in systemd's journal, with fields: what `journalctl JOB=4711` finds.

Speaks the journal's native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram per entry; an
entry too large for one goes as a sealed file in memory.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from taskserver.daemon.logs.channel import Channel
from taskserver.daemon.logs.formats import message, priority
from taskserver.daemon.logs.handler import LogHandler, Patience
from taskserver.log_fields import fields_of

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "taskserver"

_TOO_LARGE = (errno.EMSGSIZE, errno.ENOBUFS)
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class JournalHandler(LogHandler):
    """One entry per record. Raises NobodyTakesLogs where there is no journal; one that goes away may come back."""

    def __init__(self, node: str, *, socket: Path | None = None) -> None:
        super().__init__()
        self._node = node
        self._channel = Channel(socket or JOURNAL_SOCKET)
        self._channel.require("journal")

    def write(self, record: logging.LogRecord, patience: Patience) -> None:
        data = entry(fields(record, self._node))
        try:
            self._channel.send(data, patience)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_as_file(data, patience)

    def close(self) -> None:
        super().close()
        self._channel.close()

    def _send_as_file(self, data: bytes, patience: Patience) -> None:
        descriptor = os.memfd_create("journal entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)  # journald maps it: nobody may change it any more
            self._channel.send(b"", patience, [descriptor])
        finally:
            os.close(descriptor)


def fields(record: logging.LogRecord, node: str) -> dict[str, object]:
    """The fields of an entry, by their names in the journal."""
    about = fields_of(record)
    named = about.named() if about else {}
    return {
        "MESSAGE": message(record),
        "PRIORITY": priority(record),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "NODE": node,
        "CODE_FILE": record.pathname,
        "CODE_LINE": record.lineno,
        **{name.upper(): value for name, value in named.items()},
    }


def entry(fields: Mapping[str, object]) -> bytes:
    """The fields as the journal takes them; a value with a newline has its length before it."""
    parts = []
    for name, value in fields.items():
        data = str(value).encode("utf-8", "backslashreplace")
        if b"\n" in data:
            parts += [name.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
        else:
            parts += [name.encode(), b"=", data, b"\n"]
    return b"".join(parts)
