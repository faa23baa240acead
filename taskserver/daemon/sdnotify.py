"""Telling a service manager how the daemon is: the datagrams of sd_notify(3).

Without NOTIFY_SOCKET in the environment every message goes nowhere, so that callers need not ask.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Sends messages to the service manager that started us, if one did. Never raises, never blocks."""

    def __init__(self, address: str = "", *, watchdog_seconds: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds
        """How often the manager wants to hear WATCHDOG=1 at least; None: never."""

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager that listens."""
        return bool(self._address)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Takes the variables out of `environment`, so that no child speaks in our name."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant_for = environment.pop("WATCHDOG_PID", str(os.getpid()))
        wanted = microseconds.isdigit() and int(microseconds) > 0 and meant_for == str(os.getpid())
        return cls(address, watchdog_seconds=int(microseconds) / 1e6 if wanted else None)

    def ready(self) -> None:
        self.send("READY=1", f"MAINPID={os.getpid()}")

    def status(self, text: str) -> None:
        """One line for people."""
        self.send(*_status(text))

    def reloading(self) -> None:
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        self.send("STOPPING=1", *_status(status))

    def alive(self) -> None:
        self.send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for `seconds` more before a start or stop counts as hung."""
        self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def send(self, *lines: str) -> None:
        """One datagram with these lines."""
        if not self._address or not lines:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), self._address)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()
