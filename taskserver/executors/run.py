"""One run while it lasts: what it reports, whether it is to stop, its checkpoint and its transaction.

The task speaks to it as its `Channel`, the pool collects from it, and a Python or a command executor carries it
out. Thread-safe except for the transaction, which belongs to the thread that runs the task.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from taskserver.clock import Clock
from taskserver.database import DatabaseUnavailable
from taskserver.executors.output import OUTPUT_BYTES, Output
from taskserver.executors.storable import DETAIL_BYTES, storable, storable_json, text_of
from taskserver.executors.transaction import JobTransaction, RunTransaction
from taskserver.jobs import Claim, Reason, Report
from taskserver.tasks import Stopped, Task

if TYPE_CHECKING:
    from sqlalchemy import Connection

_STRENGTH = {Reason.LOST: 3, Reason.KILLED: 2}
"""A stop for one of these reasons overrides an earlier, weaker one."""

_WAIT_SECONDS = 0.5
_FIRST_WAIT_SECONDS = 0.05


class _Checkpoint:
    def __init__(self, data: Any) -> None:
        self.data = data
        self.settled = Event()


class Run:
    """A claim being carried out. Implements `taskserver.tasks.Channel`."""

    def __init__(
        self,
        claim: Claim,
        task: Task,
        *,
        begin: Callable[[], JobTransaction],
        clock: Clock,
        on_urgent: Callable[[], None],
    ) -> None:
        self.claim = claim
        self.task = task
        self.since = time.monotonic()
        limit = task.command.output_limit if task.command is not None else OUTPUT_BYTES
        self.output = Output(limit, clock=clock)
        self.own_transaction = RunTransaction(lambda: self._begin_patiently(begin))
        self.on_stop: Callable[[Reason], object] = _nothing
        """Called, from any thread, for each new reason to stop."""
        self._on_urgent = on_urgent
        self._lock = Lock()
        self._ended = False
        self._stop_reason: Reason | None = None
        self._progress: float | None = None
        self._detail: str | None = None
        self._sent: tuple[float | None, str | None] = (None, None)
        self._unsent: _Checkpoint | None = None
        self._sent_checkpoints: list[_Checkpoint] = []

    @property
    def run_id(self) -> int:
        return self.claim.run_id

    def deadline(self) -> float | None:
        """When the task's timeout is over, by the monotonic clock."""
        return None if self.task.timeout is None else self.since + self.task.timeout.total_seconds()

    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self.since)

    # The task's side: Channel.

    def report(self, progress: float | None, detail: str | None) -> None:
        """Two plain assignments: the last ones win when the dispatcher looks."""
        if progress is not None:
            self._progress = progress
        if detail is not None:
            self._detail = detail

    def line(self, stream: str, text: str) -> None:
        self.output.add(stream, text)

    def stop_reason(self) -> Reason | None:
        return self._stop_reason

    def save_checkpoint(self, data: Any) -> None:
        """Returns when the dispatcher has committed it; at once inside the run's own transaction."""
        data = storable_json(data)
        if self.own_transaction.is_open:
            self.own_transaction.checkpoint(data)
            return
        checkpoint = _Checkpoint(data)
        with self._lock:
            if self._unsent is not None:
                checkpoint.settled = self._unsent.settled  # overtaken by another thread: both are settled at once
            self._unsent = checkpoint
        self._on_urgent()
        # In short waits, so that an exception raised into this thread arrives.
        while not checkpoint.settled.wait(_WAIT_SECONDS) and not self._ended:
            pass
        if self._ended:
            raise Stopped("the run has ended, or its job was taken over by another node")

    def transaction(self) -> AbstractContextManager[Connection]:
        return self.own_transaction.block()

    def _begin_patiently(self, begin: Callable[[], JobTransaction]) -> JobTransaction:
        """A database that is away is waited for, as the dispatcher waits for it, until the run is to stop."""
        delay = _FIRST_WAIT_SECONDS
        while True:
            try:
                return begin()
            except DatabaseUnavailable:
                if self._stop_reason is not None:
                    raise Stopped from None
            time.sleep(delay)
            delay = min(delay * 2, _WAIT_SECONDS)

    # The pool's side.

    def ask_to_stop(self, reason: Reason) -> None:
        """The first reason stands, unless the new one is stronger (killed, lost)."""
        with self._lock:
            known = self._stop_reason
            if known is not None and _STRENGTH.get(reason, 0) <= _STRENGTH.get(known, 0):
                return
            self._stop_reason = reason
        self.on_stop(reason)

    def take_report(self) -> Report | None:
        """What is new since the last call, None when nothing is."""
        now = (self._progress, self._detail)
        lines = self.output.take()
        if not lines and self._unsent is None and now == self._sent:
            return None
        self._sent = now
        report = Report(self.run_id, self.claim.job_id, progress=now[0], lines=lines)
        if now[1] is not None:
            report.detail = storable(text_of(now[1]), DETAIL_BYTES)
        with self._lock:
            if self._unsent is not None:
                report.checkpoint, report.has_checkpoint = self._unsent.data, True
                self._sent_checkpoints.append(self._unsent)
                self._unsent = None
        return report

    def checkpoint_committed(self) -> None:
        """Everything that `take_report` has handed out is safe."""
        with self._lock:
            settled, self._sent_checkpoints = self._sent_checkpoints, []
        for checkpoint in settled:
            checkpoint.settled.set()

    def claim_lost(self) -> None:
        """Another node has the job: nothing of this run will be kept."""
        self.ask_to_stop(Reason.LOST)
        self.end()

    def end(self) -> None:
        """No checkpoint will be committed any more: threads of the task that wait for one go on."""
        with self._lock:
            self._ended = True
            waiting = [*self._sent_checkpoints, *([self._unsent] if self._unsent else [])]
            self._sent_checkpoints, self._unsent = [], None
        for checkpoint in waiting:
            checkpoint.settled.set()


def _nothing(_: Reason) -> None:
    """Nobody has to be told that the run is to stop."""
