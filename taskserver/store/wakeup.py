"""Wakes daemons after a write, through their control sockets. Best effort: polling finds the work as well."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path

TIMEOUT_SECONDS = 0.2


def wake_sockets(paths: Iterable[str]) -> None:
    """Sends `wake` to each control socket; whatever goes wrong with one is no matter to the caller."""
    for path in set(paths):
        with contextlib.suppress(OSError):
            _wake(Path(path))


def _wake(path: Path) -> None:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            # By way of the folder's descriptor: a socket's address holds 107 bytes, a path may be longer.
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            connection.sendall(b"wake\n")
    finally:
        os.close(folder)
