"""A local socket of the service that takes logs: it may be slow, away for a while, or another one afterwards."""

from __future__ import annotations

import errno
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from taskserver.daemon.folders import LogRefused
from taskserver.daemon.logs.handler import PATIENCE_SECONDS, Patience
from taskserver.texts import mark

SEND_BUFFER_BYTES = 8 * 1024 * 1024
"""Asked for, so that a burst need not wait for its reader; the system gives what it allows."""
LONGEST_WAIT_SECONDS = PATIENCE_SECONDS
"""Of one line, however much patience there is."""

_BROKEN = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE, errno.EDESTADDRREQ})


class NobodyTakesLogs(LogRefused):
    text = mark(
        'nobody takes logs at {path}, as log_format = "{format}" needs it; start that service, or set another '
        "log_format"
    )


class Channel:
    """Sends datagrams, or the same into a stream with `end` after each. Connects when it must."""

    def __init__(self, path: Path, *, end: bytes = b"") -> None:
        self.path = path
        self._end = end
        self._is_stream = False
        self._socket: socket.socket | None = None

    def require(self, log_format: str) -> None:
        """Raises NobodyTakesLogs unless it can be connected."""
        try:
            self._connected()
        except OSError:
            raise NobodyTakesLogs(path=self.path, format=log_format) from None

    def send(self, data: bytes, patience: Patience, descriptors: list[int] | None = None) -> None:
        """All of it, or OSError; waits as long as `patience` has. To a restarted service it connects anew."""
        for last in (False, True):
            try:
                self._send(self._connected(), data, patience, descriptors or [])
                return
            except OSError as error:
                if error.errno not in _BROKEN:
                    raise
                self.close()
                if last:
                    raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, connected: socket.socket, data: bytes, patience: Patience, descriptors: list[int]) -> None:
        data += self._end if self._is_stream else b""
        before = time.monotonic()
        flags = socket.MSG_NOSIGNAL | (0 if patience.left() > 0 else socket.MSG_DONTWAIT)
        try:
            if descriptors:
                socket.send_fds(connected, [data] if data else [], descriptors, flags)
                return
            sent = connected.send(data, flags)
        finally:
            patience.spend(before)
        if sent < len(data):  # of a stream: what follows would be taken for the rest of this message
            self.close()
            raise OSError(errno.EAGAIN, "its reader is too slow")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = self._connect(socket.SOCK_DGRAM)
                self._is_stream = False
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
                self._socket = self._connect(socket.SOCK_STREAM)
                self._is_stream = True
        return self._socket

    def _connect(self, kind: socket.SocketKind) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        try:
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            # Not settimeout: that would poll, and the queue of a datagram's reader can't be polled for.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(LONGEST_WAIT_SECONDS))
            made.connect(str(self.path))
        except BaseException:
            made.close()
            raise
        return made


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
