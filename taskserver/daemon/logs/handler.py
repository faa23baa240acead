"""What every log of the daemon has in common: it never raises, never waits long, and counts what it loses.

A subclass has `write`, which raises OSError for what cannot be written. Lost lines are counted, and said as soon
as writing works again.
"""

from __future__ import annotations

import logging
import time

from taskserver.daemon.logs.flood import FloodGate
from taskserver.log_fields import about_nobody, fields_of

PATIENCE_SECONDS = 0.1


class Patience:
    """How long lines may wait for a reader that is slow: a tenth of each second, however many lines there are."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._whole = self._left = seconds
        self._second = 0

    def left(self) -> float:
        """Seconds that a write may wait now."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, self._whole
        return self._left

    def spend(self, since: float) -> None:
        """A write that began at `since` (monotonic) has waited."""
        self._left = max(0.0, self._left - (time.monotonic() - since))


class LogHandler(logging.Handler):
    """Hands on records one after the other. Thread-safe; what cannot be written is lost and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = FloodGate()
        self.lost = 0
        self._patience = {True: Patience(), False: Patience()}
        """Tasks have their own: what they spend, the dispatcher still has."""
        self._reason = ""

    def write(self, record: logging.LogRecord, patience: Patience) -> None:
        """Write one record, or raise OSError. Called with the lock held; may wait as long as `patience` has."""
        raise NotImplementedError

    def handle(self, record: logging.LogRecord) -> bool:
        """The lock in a `with`: an exception raised into this thread can't come between it and its release."""
        admitted = self.gate.admit(record)
        if admitted:
            assert self.lock is not None  # noqa: S101
            with self.lock:
                for one in admitted:
                    self.emit(one)
        return bool(admitted)

    def emit(self, record: logging.LogRecord) -> None:
        about = fields_of(record)
        patience = self._patience[about is not None and about.by_task]
        if self.lost and not self._is_written(self._about_the_lost(), patience):
            self.lost += 1
            return
        self.lost = 0
        if not self._is_written(record, patience):
            self.lost = 1

    def succeed(self, other: LogHandler) -> None:
        """Take the place of a handler that is closed next: what it has lost is said here."""
        self.lost, self._reason, self.gate = other.lost, other._reason, other.gate
        other.lost = 0

    def close(self) -> None:
        if self.lost and self._is_written(self._about_the_lost(), Patience()):
            self.lost = 0
        super().close()

    def _is_written(self, record: logging.LogRecord, patience: Patience) -> bool:
        try:
            self.write(record, patience)
        except OSError as error:
            self._reason = error.strerror or str(error)
            return False
        except Exception as error:  # noqa: BLE001 - a library's odd record must not hurt who logs it
            self._reason = f"{type(error).__name__}: {error}"
            return False
        return True

    def _about_the_lost(self) -> logging.LogRecord:
        return note("%d log lines could not be written: %s", self.lost, self._reason)


def note(text: str, *arguments: object) -> logging.LogRecord:
    """A line of the log about itself."""
    record = logging.LogRecord("taskserver.logs", logging.WARNING, __file__, 0, text, arguments, None)
    record.__dict__.update(about_nobody())
    return record
