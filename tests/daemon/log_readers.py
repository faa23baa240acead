"""What takes logs, for the tests: a journal and a syslog on sockets of their own."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from taskserver.jobs import Claim

ALL_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


CLAIM = Claim(
    run_id=12,
    job_id=4711,
    client_id=1,
    client="acme",
    login="batch",
    task="invoices.create",
    title="",
    data={},
    attempt=0,
    max_attempts=None,
    crashes=0,
    started_at=datetime(2026, 11, 22, tzinfo=UTC),
    due_at=None,
    cron_entry_id=None,
    checkpoint=None,
)


class FakeJournal:
    """Reads the native protocol as journald does: a datagram, or an empty one with a sealed file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(10)

    def entry(self) -> dict[str, str]:
        """The next entry; fails when none comes."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, 1 << 20, 4)
        if descriptors:
            assert data == b"" and len(descriptors) == 1, "either a payload or one file"
            data = _sealed(descriptors[0])
        return parse(data)

    def entries(self) -> list[dict[str, str]]:
        """What has arrived so far."""
        self._socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.entry())
        except BlockingIOError:
            return found
        finally:
            self._socket.settimeout(10)

    def go(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


def _sealed(descriptor: int) -> bytes:
    try:
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == ALL_SEALS, "journald maps it: it must not change"
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as content:
            return content[:]
    finally:
        os.close(descriptor)


def parse(data: bytes) -> dict[str, str]:
    """The fields of an entry, by the rules of the protocol."""
    found: dict[str, str] = {}
    while data:
        line, newline, rest = data.partition(b"\n")
        assert newline, "every field ends with a newline"
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, data = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert len(value) == size and end == b"\n"
        else:
            data = rest
        key = name.decode("ascii")
        assert key.isupper() and key.replace("_", "a").isalnum() and not key.startswith("_"), key
        assert key not in found
        found[key] = value.decode()
    return found


class FakeSyslog:
    """A reader of /dev/log, of datagrams or of a stream in which each message ends with a NUL."""

    def __init__(self, path: Path, kind: socket.SocketKind = socket.SOCK_DGRAM) -> None:
        self.path = path
        self.kind = kind
        self._socket = socket.socket(socket.AF_UNIX, kind)
        self._socket.bind(str(path))
        self._socket.settimeout(10)
        self._connection: socket.socket | None = None
        if kind == socket.SOCK_STREAM:
            self._socket.listen()

    def messages(self, number: int) -> list[str]:
        """The next ones; fails when they do not come."""
        source = self._stream() if self.kind == socket.SOCK_STREAM else self._datagrams()
        return [next(source).decode() for _ in range(number)]

    def _datagrams(self) -> Iterator[bytes]:
        while True:
            yield self._socket.recv(65536)

    def _stream(self) -> Iterator[bytes]:
        if self._connection is None:
            self._connection, _ = self._socket.accept()
            self._connection.settimeout(10)
        message = b""
        while True:
            byte = self._connection.recv(1)
            assert byte, "the sender has gone"
            if byte == b"\0":
                yield message
                message = b""
            else:
                message += byte

    def go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._socket.close()
        self.path.unlink(missing_ok=True)


def record(text: str, *arguments: object, level: int = logging.INFO, name: str = "x", **extra: object):
    """A record as `Logger.log(level, text, *arguments, extra=extra)` would make it."""
    made = logging.LogRecord(name, level, "/opt/x.py", 7, text, arguments, None)
    made.__dict__.update(extra)
    return made
