"""The control socket: a unix stream socket in the users directory that answers "wake" and "status" only.

The daemon's main loop owns a `ControlSocket`; commands call `ask_status` and `wake`. A client can neither block
nor burden the daemon: connections, lines, answers and requests per second are bounded, and a wake is only a wish
that merges with others. Unix socket paths are short, so both sides reach it through a descriptor of its folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskserver.daemon.pidfile import PidFile
from taskserver.errors import TaskServerError
from taskserver.texts import mark, translate

NAME = "control.sock"
MAX_CLIENTS = 32
MAX_LINE = 256
MAX_UNREAD = 64 * 1024
REQUESTS_PER_SECOND = 2000
BURST = 200

_QUEUE = 128
_PAUSE_SECONDS = 0.05
_RETRY_SECONDS = 0.005
_ANSWER_LIMIT = 256 * 1024


class SocketRefused(TaskServerError):
    text = mark("the control socket {path} cannot be made: {reason}")


@dataclass(slots=True)
class Client:
    """One connection and what is under way on it."""

    channel: socket.socket
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    closing: bool = False


class Allowance:
    """So many requests per second, with a burst: what is beyond waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._at = clock()

    @property
    def left(self) -> int:
        now = self._clock()
        self._left = min(float(BURST), self._left + (now - self._at) * REQUESTS_PER_SECOND)
        self._at = now
        return int(self._left)

    def take(self) -> bool:
        """Whether one more is allowed; then it counts."""
        if not self.left:
            return False
        self._left -= 1
        return True


class ControlSocket:
    """The daemon's end. Its selector is made ready by `selector`; `serve` does what is due, without blocking."""

    def __init__(
        self, pidfile: PidFile, *, wake: Callable[[], None], status: Callable[[], dict[str, Any]]
    ) -> None:
        """Bind in the folder of `pidfile`, whose lock must be held: only then is an old socket nobody's."""
        if not pidfile.held:
            raise SocketRefused(path=pidfile.users_dir / NAME, reason="the pidfile is not held")
        self.path = pidfile.users_dir / NAME
        self._wake = wake
        self._status = status
        self._listener = _listen(self.path)
        self._clients: OrderedDict[int, Client] = OrderedDict()  # the longest silent one first
        self._allowance = Allowance()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def fileno(self) -> int:
        """Readable when `serve` has something to do: an epoll descriptor can itself be waited for."""
        return self._selector.fileno()

    def serve(self) -> float | None:
        """Do what is due. The seconds after which to call again although nothing happens; None: not needed.

        When the allowance is used up nothing is read until then, so the kernel holds the senders back.
        """
        woken = False
        for key, _ in self._selector.select(0):
            if not self._allowance.take():
                break
            if key.fileobj is self._listener:
                self._accept()
                continue
            client = self._clients.get(key.fd)
            if client is not None:
                woken |= self._converse(client)
        if woken:
            self._wake()
        return None if self._allowance.left else _PAUSE_SECONDS

    def close(self) -> None:
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        self._listener.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError:
            return
        channel.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            self._drop(next(iter(self._clients.values())))
        self._clients[channel.fileno()] = Client(channel)
        self._selector.register(channel, selectors.EVENT_READ)

    def _converse(self, client: Client) -> bool:
        """Send what is unsent, read, answer. Whether a wake was wished for."""
        self._clients.move_to_end(client.channel.fileno())
        if not self._flush(client) or client.unsent:
            return False
        if b"\n" not in client.received and not self._read(client):
            return False
        woken = self._answer_lines(client)
        if self._flush(client):
            self._watch(client)
        return woken

    def _read(self, client: Client) -> bool:
        try:
            piece = client.channel.recv(MAX_LINE)
        except BlockingIOError:
            return True
        except OSError:
            piece = b""
        if not piece:
            self._drop(client)
            return False
        client.received += piece
        return True

    def _answer_lines(self, client: Client) -> bool:
        woken = False
        while b"\n" in client.received and self._allowance.take():
            line, _, rest = bytes(client.received).partition(b"\n")
            client.received = bytearray(rest)
            request = line.strip()
            if request == b"wake":
                woken = True
                client.unsent += b"ok\n"
            elif request == b"status":
                client.unsent += json.dumps(self._status()).encode() + b"\n"
            else:
                self._refuse(client, b"error only wake and status are answered\n")
        if len(client.received) > MAX_LINE and b"\n" not in client.received:
            self._refuse(client, b"error the line is too long\n")
        return woken

    def _refuse(self, client: Client, answer: bytes) -> None:
        client.unsent += answer
        client.received.clear()
        client.closing = True

    def _flush(self, client: Client) -> bool:
        """Send what the other side takes. Whether the connection goes on."""
        try:
            while client.unsent:
                sent = client.channel.send(client.unsent, socket.MSG_NOSIGNAL)
                del client.unsent[:sent]
        except BlockingIOError:
            if len(client.unsent) <= MAX_UNREAD:
                return True
            client.closing = True
            client.unsent.clear()
        except OSError:
            client.closing = True
            client.unsent.clear()
        if client.closing:
            self._drop(client)
        return not client.closing

    def _watch(self, client: Client) -> None:
        """A client that does not take its answers is not listened to; lines already here keep it writable."""
        backlog = client.unsent or b"\n" in client.received
        self._selector.modify(client.channel, selectors.EVENT_WRITE if backlog else selectors.EVENT_READ)

    def _drop(self, client: Client) -> None:
        self._clients.pop(client.channel.fileno(), None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.channel)
        client.channel.close()


def ask_status(users_dir: Path, *, timeout: float) -> dict[str, Any] | None:
    """What the daemon says about itself, or None if it does not answer within `timeout` seconds."""
    answer = _ask(users_dir / NAME, b"status\n", timeout=timeout)
    try:
        document = json.loads(answer) if answer else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def wake(socket_path: Path, *, timeout: float = 1.0) -> bool:
    """Ask the daemon behind `socket_path` to look for work now; whether it said yes."""
    return _ask(socket_path, b"wake\n", timeout=timeout) == b"ok\n"


def _ask(path: Path, request: bytes, *, timeout: float) -> bytes | None:
    """One request, one line of answer; None if there is none in time, whatever the other side does."""
    deadline = time.monotonic() + timeout
    answer = bytearray()
    try:
        with _reachable(path) as short_path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            _connect(channel, short_path, deadline)
            channel.sendall(request)
            while not answer.endswith(b"\n") and len(answer) <= _ANSWER_LIMIT:
                channel.settimeout(max(0.001, deadline - time.monotonic()))
                piece = channel.recv(65536)
                if not piece or time.monotonic() > deadline:
                    return None
                answer += piece
    except OSError:
        return None
    return bytes(answer) if answer.endswith(b"\n") else None


def _connect(channel: socket.socket, path: str, deadline: float) -> None:
    """Connect before `deadline`. A full queue of connections answers EAGAIN at once, so it is tried again."""
    while True:
        try:
            channel.settimeout(max(0.001, deadline - time.monotonic()))
            channel.connect(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def require_place(path: Path) -> None:
    """Raises SocketRefused where something stands that a daemon does not remove; an old socket it does."""
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            reason = translate("something that is no socket stands in its place; remove it")
            raise SocketRefused(path=path, reason=reason)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    previous = os.umask(0o117)  # mode 0660 from its first moment on
    try:
        require_place(path)
        path.unlink(missing_ok=True)
        with _reachable(path) as short_path:
            listener.bind(short_path)
        listener.listen(_QUEUE)
    except OSError as error:
        listener.close()
        raise SocketRefused(path=path, reason=error.strerror) from None
    except SocketRefused:
        listener.close()
        raise
    finally:
        os.umask(previous)
    return listener


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A short path to the same socket, good for as long as the context lasts."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
