"""How a start is going: what the starting daemon tells whoever waits for it.

The detached daemon writes JSON lines into a pipe, the process that called `start` reads them. In the foreground
the service manager is told instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Any, Protocol

from taskserver.daemon.sdnotify import Notifier

Message = dict[str, Any]

_LONGEST_LINE = 256 * 1024


class Listener(Protocol):
    """Whoever waits for the daemon to be ready. After `ready`, `going_on` or `failed` it waits no longer."""

    def waiting(self, text: str) -> None:
        """The database is not there yet."""

    def going_on(self, text: str) -> None:
        """The patience of whoever waits is at its end; the daemon goes on trying."""

    def ready(self) -> None:
        """Work is taken."""

    def failed(self, text: str, code: int) -> None:
        """The daemon gives up; `code` is the exit code for it."""


class Pipe:
    """The daemon's end of the pipe to `start`, whose reader may have gone long ago."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def waiting(self, text: str) -> None:
        self._send({"waiting": text})

    def going_on(self, text: str) -> None:
        self._send({"going_on": text, "pid": os.getpid()}, last=True)

    def ready(self) -> None:
        self._send({"ready": os.getpid()}, last=True)

    def failed(self, text: str, code: int) -> None:
        self._send({"error": text, "code": code}, last=True)

    def taken(self, pid: int) -> None:
        """Another daemon was quicker."""
        self._send({"taken": pid}, last=True)

    def _send(self, message: Message, *, last: bool = False) -> None:
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
        if last:
            os.close(self._descriptor)
            self._descriptor = -1


class Manager:
    """A service manager as listener: systemd by its datagrams, upstart by SIGSTOP (`expect stop`)."""

    def __init__(self, notifier: Notifier, *, stop_when_ready: bool = False) -> None:
        self._notifier = notifier
        self._stop_when_ready = stop_when_ready
        self._told = False

    def waiting(self, text: str) -> None:
        """Its status and its demand for time, which the reporter sends, say so."""

    def going_on(self, text: str) -> None:
        self._tell()

    def ready(self) -> None:
        self._tell()

    def failed(self, text: str, code: int) -> None:
        self._notifier.send(f"STATUS={text.splitlines()[0]}", f"EXIT_STATUS={code}")

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        self._notifier.ready()
        if self._stop_when_ready:
            os.kill(os.getpid(), signal.SIGSTOP)


def messages(descriptor: int) -> Iterator[Message]:
    """What the daemon says, line by line, until its end of the pipe is closed.

    Root may listen here to a process of another user: no line is longer than this takes.
    """
    with os.fdopen(descriptor, "rb") as lines:
        while line := lines.readline(_LONGEST_LINE):
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                yield message
