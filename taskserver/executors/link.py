"""The daemon's end of the launcher: start it, talk to it, clear up after it if it is killed.

Used by the one thread of `Commands`, since the launcher dies with the thread that started it.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from taskserver.executors import launcher

SEND_SECONDS = 10
EXIT_SECONDS = 5
SWEEP_SECONDS = 3


class Link:
    """A launcher process and the socket to it."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        self.socket, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name != launcher.MARKER}
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-S", "-E", "-s", launcher.__file__, str(theirs.fileno()), str(os.getpid())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    env=environment,
                )
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(SEND_SECONDS)
        self._marker = launcher.marker_of(self._process.pid)
        self._received = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Raises OSError when the launcher has gone or does not listen."""
        encoded = json.dumps(message).encode()
        encoded = launcher.LENGTH.pack(len(encoded)) + encoded
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = self.socket.sendmsg([encoded], rights)
        self.socket.sendall(encoded[sent:])

    def receive(self) -> Iterator[dict[str, Any]]:
        """The messages that have arrived. Raises EOFError when the launcher has gone."""
        try:
            data = self.socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        while len(self._received) >= launcher.LENGTH.size:
            (size,) = launcher.LENGTH.unpack_from(self._received)
            if len(self._received) < launcher.LENGTH.size + size:
                break
            message = self._received[launcher.LENGTH.size : launcher.LENGTH.size + size]
            self._received = self._received[launcher.LENGTH.size + size :]
            yield json.loads(message)
        if not data:
            raise EOFError

    def close(self) -> None:
        """End it. When this returns it has gone, and everything that it had started."""
        self.socket.close()
        try:
            self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        sweep(self._marker)


def sweep(marker: str | None = None) -> int:
    """Kill what launchers that were killed have left behind: one launcher's (its marker), or all dead ones'.

    Returns how many processes were found.
    """
    deadline, found, empty = time.monotonic() + SWEEP_SECONDS, set[int](), 0
    while empty < 2 and time.monotonic() < deadline:  # one look may miss what is forked meanwhile
        left = set(_orphans(marker))
        found |= left
        empty = 0 if left else empty + 1
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return len(found)


def _orphans(marker: str | None) -> Iterator[int]:
    for pid in launcher.processes():
        found = launcher.environment_of(pid).get(launcher.MARKER) if pid != os.getpid() else None
        if found is not None and (found == marker if marker else _launcher_is_dead(found)) and _is_alive(pid):
            yield pid


def _is_alive(pid: int) -> bool:
    fields = launcher.stat_of(pid)
    return fields is not None and fields[0] not in (b"Z", b"X")


def _launcher_is_dead(marker: str) -> bool:
    """Whether the marker is of a launcher of this pid namespace that lives no more."""
    namespace, _, rest = marker.partition(".")
    pid = rest.partition(".")[0]
    own = launcher.marker_of(os.getpid()).partition(".")[0]
    if namespace != own or not pid.isdigit():
        return False
    return launcher.marker_of(int(pid)) != marker or not _is_alive(int(pid))  # also a zombie is dead
