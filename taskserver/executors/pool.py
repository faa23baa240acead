"""The pool: a bounded number of slots, each a thread that runs one claimed job at a time.

The dispatcher submits claims, collects reports, passes on stops and enforces timeouts; for every claim it gets
one `Done`, from the thread of the slot. A job that never ends keeps its slot and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Protocol

from taskserver.clock import Clock, system_clock
from taskserver.executors import outcomes, python, telling
from taskserver.executors.commands import Commands
from taskserver.executors.link import sweep
from taskserver.executors.run import Run
from taskserver.executors.transaction import JobTransaction
from taskserver.jobs import Claim, Outcome, Reason, Report
from taskserver.log_fields import about
from taskserver.tasks import Registry, Stopped, TimedOut, UnknownTask

log = logging.getLogger("taskserver.executors")

TIMEOUT_GRACE_SECONDS = 5.0


class Transactions(Protocol):
    def begin(self, claim: Claim) -> JobTransaction: ...


class Store(Protocol):
    """What the pool needs of the store."""

    @property
    def transactions(self) -> Transactions: ...


@dataclass(frozen=True, slots=True)
class Done:
    """A run has ended. `stored`: the outcome was committed already, together with the task's own transaction."""

    claim: Claim
    outcome: Outcome
    stored: bool


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A run as the dispatcher sees it. `seconds`: for how long it runs."""

    run_id: int
    job_id: int
    task: str
    claim: Claim
    seconds: float
    stop_reason: Reason | None


class _Slot:
    """A run in a slot, and what the pool has done about its timeout."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.interruption = python.Interruption()
        self.interrupted = False

    def timeout_passed(self, now: float, grace_seconds: float) -> float | None:
        """Do what the timeout asks for by now; when to look again, None for never."""
        deadline = self.run.deadline()
        if deadline is None or self.interrupted:
            return None
        if now < deadline:
            return deadline
        self.run.ask_to_stop(Reason.TIMEOUT)
        if self.run.task.function is None:  # a command's grace is its own
            self.interrupted = True
            return None
        if now < deadline + grace_seconds:
            return deadline + grace_seconds
        self.interrupted = True
        self.interruption.interrupt(TimedOut)
        return None


class Pool:
    """Slots for running jobs. Every method may be called from any thread; none of them waits for a job."""

    def __init__(
        self,
        size: int,
        *,
        registry: Registry,
        store: Store,
        on_done: Callable[[Done], None],
        node_id: str,
        on_urgent: Callable[[], None] = lambda: None,
        timeout_grace_seconds: float = TIMEOUT_GRACE_SECONDS,
        clock: Clock = system_clock,
    ) -> None:
        """`on_done` and `on_urgent` (a checkpoint waits to be committed) are called from the slots' threads."""
        self.registry = registry
        """Which tasks there are; may be replaced at a reload, running jobs keep theirs."""
        self.node_id = node_id
        self.commands = Commands()
        self._size = size
        self._store = store
        self._on_done = on_done
        self._on_urgent = on_urgent
        self._grace = timeout_grace_seconds
        self._clock = clock
        self._lock = Lock()
        self._claims: SimpleQueue[Claim | None] = SimpleQueue()
        self._slots: dict[int, _Slot] = {}
        self._submitted: dict[int, Claim] = {}
        self._handing_on: dict[int, Claim] = {}
        """Ended, but `on_done` has not returned yet: their slots are free, and still they are nobody else's."""
        self._early_stops: dict[int, Reason] = {}
        self._last_reports: list[Report] = []
        self._threads = 0

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        """How many more claims it takes; 0 while it has more than its size after a resize."""
        return max(0, self._size - len(self._submitted))

    def submit(self, claim: Claim) -> None:
        """Run the claimed job, as soon as a slot is free. Every claim submitted gets its Done.

        Raises RuntimeError when not a single thread can be started.
        """
        with self._lock:
            self._submitted[claim.run_id] = claim
            self._start_threads()
            if not self._threads:
                del self._submitted[claim.run_id]
                raise RuntimeError("the system has no thread for a slot")
        self._claims.put(claim)

    def _start_threads(self) -> None:
        """As many as there are claims, up to the pool's size. With the lock held."""
        while self._threads < min(len(self._submitted), self._size):
            try:
                Thread(target=self._work, name=f"slot-{self._threads + 1}", daemon=True).start()
            except RuntimeError as error:
                log.warning("no thread could be started for slot %d: %s", self._threads + 1, error)
                return
            self._threads += 1

    def running(self) -> list[RunningJob]:
        """The claims that are not done, also those whose thread is about to begin.

        A claim is among these until its Done has been handed on: look here first, then at the Dones, and none
        is missed.
        """
        with self._lock:
            claims, slots = [*self._submitted.values(), *self._handing_on.values()], dict(self._slots)
        return [_seen(claim, slots.get(claim.run_id)) for claim in claims]

    def resize(self, size: int) -> None:
        """From now on this many slots. Running jobs are left alone."""
        with self._lock:
            self._size = size
            surplus = max(0, min(self._threads - size, self._threads - len(self._submitted)))
            self._threads -= surplus
            self._start_threads()
        for _ in range(surplus):
            self._claims.put(None)

    def stop(self, run_id: int, reason: Reason = Reason.STOPPED) -> None:
        """Ask a run to stop: a task at its next look, a command with SIGTERM, then SIGKILL after its grace."""
        with self._lock:
            slot = self._slots.get(run_id)
            if slot is None and run_id in self._submitted:
                self._early_stops[run_id] = reason
        if slot is not None:
            slot.run.ask_to_stop(reason)

    def kill(self, run_id: int) -> None:
        """End a run at once: a command with SIGKILL; a task is interrupted where it next executes Python code."""
        self.stop(run_id, Reason.KILLED)
        slot = self._slots.get(run_id)
        if slot is not None and slot.run.task.function is not None:
            slot.interruption.interrupt(Stopped)

    def reports(self) -> list[Report]:
        """What runs have told since the last call, also the last words of those that have ended.

        Look after having taken the Dones: then the last report of each of them is among these.
        """
        if not self._submitted and not self._last_reports:
            return []
        with self._lock:
            runs = [slot.run for slot in self._slots.values()]
            reports, self._last_reports = self._last_reports, []
            return reports + [report for run in runs if (report := run.take_report()) is not None]

    def checkpoints_committed(self, run_ids: Iterable[int]) -> None:
        """The checkpoints in the last reports of these runs are safe: their tasks go on."""
        for run in self._runs(run_ids):
            run.checkpoint_committed()

    def claims_lost(self, run_ids: Iterable[int]) -> None:
        """Other nodes have these jobs: commands are killed at once, tasks asked to stop, nothing is kept."""
        run_ids = list(run_ids)
        for run_id in run_ids:
            self.stop(run_id, Reason.LOST)
        for run in self._runs(run_ids):
            run.claim_lost()

    def give_up(self) -> None:
        """Everything is lost and nothing more is taken: what runs is told so, and its outcome is nobody's."""
        self.claims_lost([job.run_id for job in self.running()])
        self.close()

    def expire(self) -> float | None:
        """Enforce timeouts. Seconds until it should be called again, None when no deadline is ahead."""
        now = time.monotonic()
        with self._lock:
            slots = list(self._slots.values())
        ahead = [slot.timeout_passed(now, self._grace) for slot in slots]
        return min((max(0.0, moment - now) for moment in ahead if moment is not None), default=None)

    def sweep(self) -> int:
        """Kill what commands of killed nodes have left running; returns how many processes that were.

        Before the first command this is done in any case; a node does it at its start as well.
        """
        return sweep()

    def close(self) -> None:
        """Take nothing more and kill every command. Tasks that still run are left to the end of the process."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._claims.put(None)
        self.commands.close()

    def _runs(self, run_ids: Iterable[int]) -> list[Run]:
        with self._lock:
            return [self._slots[run_id].run for run_id in run_ids if run_id in self._slots]

    # Below: in the slots' threads.

    def _work(self) -> None:
        while (claim := self._claims.get()) is not None:
            self._carry_out(claim)

    def _carry_out(self, claim: Claim) -> None:
        thread = threading.current_thread()
        name, thread.name = thread.name, f"{thread.name} {claim.task} job {claim.job_id}"
        since = time.monotonic()
        try:
            outcome, stored = self._run(claim)
        except BaseException as error:  # the slot must live on whatever went wrong in it
            log.exception("run %d of job %d: the executor failed", claim.run_id, claim.job_id, extra=about(claim))
            outcome, stored = Outcome.failed(outcomes.sentence(error)), False
        finally:
            thread.name = name
        telling.ended(claim, outcome, time.monotonic() - since)
        self._end(Done(claim, outcome, stored))

    def _run(self, claim: Claim) -> tuple[Outcome, bool]:
        try:
            task = self.registry.get(claim.task)
        except UnknownTask:
            text = "job %d: this node has no task %r; the job is released"
            log.warning(text, claim.job_id, claim.task, extra=about(claim))
            return Outcome.released(), False
        begin: Any = lambda: self._store.transactions.begin(claim)  # noqa: E731
        telling.begins(claim)
        slot = _Slot(Run(claim, task, begin=begin, clock=self._clock, on_urgent=self._on_urgent))
        with self._lock:
            self._slots[claim.run_id] = slot
            early = self._early_stops.pop(claim.run_id, None)
        if early is not None:
            slot.run.ask_to_stop(early)
        if task.function is not None:
            return python.execute(slot.run, slot.interruption)
        return _execute_command(self.commands, slot.run), False

    def _end(self, done: Done) -> None:
        run_id = done.claim.run_id
        with self._lock:
            slot = self._slots.pop(run_id, None)
            self._handing_on[run_id] = self._submitted.pop(run_id)
            self._early_stops.pop(run_id, None)
            if slot is not None:
                slot.run.output.end()
                report = slot.run.take_report()
                slot.run.end()
                self._last_reports += [report] if report is not None else []
        try:
            self._on_done(done)
        except Exception:  # the slot must live on
            log.exception("run %d: its end could not be handed on", run_id, extra=about(done.claim))
        finally:
            with self._lock:
                del self._handing_on[run_id]


def _execute_command(commands: Commands, run: Run) -> Outcome:
    try:
        return commands.execute(run)
    except Exception as error:  # noqa: BLE001 - the task boundary of commands: wrong arguments above all
        return outcomes.raised(error, run.stop_reason(), run.task, run.claim)


def _seen(claim: Claim, slot: _Slot | None) -> RunningJob:
    seconds = slot.run.elapsed().total_seconds() if slot is not None else 0.0
    reason = slot.run.stop_reason() if slot is not None else None
    return RunningJob(claim.run_id, claim.job_id, claim.task, claim, seconds, reason)
