"""Signals for the daemon and for nobody else.

A `ProvenDaemon` holds a descriptor of the process itself (pidfd), taken before it was checked, so that what was
proven and what is signalled cannot differ. Used by `stop`, `reload` and `wake`; also as root in a folder that
another user owns, whose word alone must not make root signal anything.
"""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from taskserver.daemon import pidfile
from taskserver.daemon.pidfile import Reading, Record, State
from taskserver.errors import EXIT_NOT_ALLOWED, EXIT_NOT_RUNNING, NotAllowed, TaskServerError
from taskserver.texts import mark, translate


class NotRunning(TaskServerError):
    text = mark("the task server is not running")
    exit_code = EXIT_NOT_RUNNING


class Unproven(TaskServerError):
    """Something looks like a daemon but is not proven to be ours; it is left alone."""

    text = mark("no signal was sent: {reason}")
    exit_code = EXIT_NOT_ALLOWED


class SignalRefused(NotAllowed):
    text = mark("the task server (pid {pid}) belongs to another user; call this as that user or as root")


class ProvenDaemon:
    """The running daemon of one users directory. A context manager that closes its descriptor."""

    def __init__(self, record: Record, descriptor: int) -> None:
        self.record = record
        self.pid = record.pid
        self._descriptor = descriptor

    @classmethod
    def find(cls, users_dir: Path) -> Self:
        """The daemon whose pidfile, lock, owner, start time and boot all agree.

        Raises NotRunning if there is none, Unproven if the signs contradict each other.
        """
        record = _running(pidfile.read(users_dir))
        try:
            descriptor = os.pidfd_open(record.pid)
        except ProcessLookupError:
            raise NotRunning() from None
        daemon = cls(record, descriptor)
        try:
            daemon._prove(users_dir)
        except BaseException:
            daemon.close()
            raise
        return daemon

    def send(self, number: signal.Signals) -> None:
        """Send the signal. A daemon that has just ended is none to be signalled: nothing happens."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise SignalRefused(pid=self.pid) from None

    def ended(self, *, within: float) -> bool:
        """Whether the process has ended, after at most `within` seconds."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, within) * 1000))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prove(self, users_dir: Path) -> None:
        """With the descriptor in hand, look again: what is true now is true of the process it stands for."""
        again = _running(pidfile.read(users_dir))
        if self.ended(within=0):
            raise NotRunning()
        if again.pid != self.pid or not again.is_alive():
            raise Unproven(reason=translate("the pidfile changed while it was read; try again"))


def _running(reading: Reading) -> Record:
    if reading.state is State.UNKNOWN:
        raise Unproven(reason=reading.reason)
    if reading.state is not State.RUNNING or reading.record is None:
        raise NotRunning()
    return reading.record
