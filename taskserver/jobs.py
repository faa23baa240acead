"""The words of the domain as values: a job's status and its transitions, and what passes between the layers.

The dispatcher hands a `Claim` to the pool; the executor returns an `Outcome`; the store applies it. Nothing
here touches a database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Status(StrEnum):
    """The status of a job. A cron entry has none: it is active or not."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


TRANSITIONS: MappingProxyType[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.WAITING: frozenset({Status.RUNNING, Status.STOPPED}),
        Status.RUNNING: frozenset({Status.FINISHED, Status.FAILED, Status.WAITING, Status.STOPPING}),
        Status.STOPPING: frozenset({Status.STOPPED, Status.FINISHED, Status.FAILED}),
        Status.STOPPED: frozenset({Status.WAITING}),
        Status.FAILED: frozenset({Status.WAITING}),
        Status.FINISHED: frozenset({Status.WAITING}),
    }
)
"""Which status may follow which. Every change in the database is an UPDATE guarded by it."""

LIVE = frozenset({Status.WAITING, Status.RUNNING, Status.STOPPING})
"""What still has work before it; a unique key is unique among these."""

ENDED = frozenset({Status.STOPPED, Status.FINISHED, Status.FAILED})


def sources(target: Status) -> frozenset[Status]:
    """Every status from which `target` may be reached."""
    return frozenset(status for status, targets in TRANSITIONS.items() if target in targets)


class JobType(StrEnum):
    ONCE = "once"
    INTERVAL = "interval"


class RunStatus(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class Reason(StrEnum):
    """Why a run ended as it did, where its status alone does not say it."""

    ERROR = "error"
    ARGUMENTS = "arguments"
    TIMEOUT = "timeout"
    KILLED = "killed"
    MEMORY = "memory"
    LOST = "lost"
    STOPPED = "stopped"
    DRAINED = "drained"


class Misfire(StrEnum):
    """What becomes of due times that passed while nobody looked."""

    ONCE = "once"
    ALL = "all"
    SKIP = "skip"


class Overlap(StrEnum):
    """What becomes of a due time while an earlier job of the same cron entry has not ended."""

    SKIP = "skip"
    QUEUE = "queue"


class OnCrash(StrEnum):
    """What becomes of a job whose node died while it ran."""

    REQUEUE = "requeue"
    FAIL = "fail"


class Ready:
    """The column `ready`: whether a claim may take the job. NULL: not queued yet."""

    HELD = 0  # an earlier job of its cron entry has not ended
    QUEUED = 1  # starts by itself
    BY_HAND = 2  # was started by hand: before all others, and also while auto-start is off


@dataclass(frozen=True, slots=True)
class Claim:
    """A node's hold on a job that it runs. `run_id` is the token that guards every later write."""

    run_id: int
    job_id: int
    client_id: int
    client: str
    login: str
    task: str
    title: str
    data: dict[str, Any]
    attempt: int
    """Failures so far: 0 in the first run."""
    max_attempts: int | None
    """The job's own limit; None: the task's."""
    crashes: int
    started_at: datetime
    due_at: datetime | None
    cron_entry_id: int | None
    checkpoint: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended and what becomes of its job. Made by the executor, applied by the store."""

    run_status: RunStatus
    job_status: Status
    reason: Reason | None = None
    result: str | None = None
    error: str | None = None
    traceback: str | None = None
    retry_in: timedelta | None = None
    """With job_status WAITING: how long to wait before the next run."""
    counts_as_failure: bool = False
    """Whether `attempt` grows."""
    cpu_seconds: float | None = None
    max_rss: int | None = None
    """Bytes; known for commands."""

    @classmethod
    def finished(cls, result: str | None = None, **measured: Any) -> Outcome:
        """running | stopping -> finished"""
        return cls(RunStatus.FINISHED, Status.FINISHED, result=result, **measured)

    @classmethod
    def failed(
        cls, error: str, *, reason: Reason = Reason.ERROR, traceback: str | None = None, **measured: Any
    ) -> Outcome:
        """running | stopping -> failed, for good"""
        return cls(
            RunStatus.FAILED,
            Status.FAILED,
            reason=reason,
            error=error,
            traceback=traceback,
            counts_as_failure=True,
            **measured,
        )

    @classmethod
    def retry(
        cls,
        error: str,
        *,
        after: timedelta,
        reason: Reason = Reason.ERROR,
        traceback: str | None = None,
        **measured: Any,
    ) -> Outcome:
        """running -> waiting: the run failed, another attempt follows; stopping -> stopped"""
        return cls(
            RunStatus.FAILED,
            Status.WAITING,
            reason=reason,
            error=error,
            traceback=traceback,
            retry_in=after,
            counts_as_failure=True,
            **measured,
        )

    @classmethod
    def postponed(cls, error: str, *, after: timedelta, **measured: Any) -> Outcome:
        """running -> waiting: the database was away; it runs again and no attempt is counted"""
        return cls(RunStatus.FAILED, Status.WAITING, reason=Reason.ERROR, error=error, retry_in=after, **measured)

    @classmethod
    def stopped(cls, *, reason: Reason = Reason.STOPPED, **measured: Any) -> Outcome:
        """stopping -> stopped: somebody asked for it. In a job that is still `running` it means released."""
        return cls(RunStatus.STOPPED, Status.STOPPED, reason=reason, **measured)

    @classmethod
    def released(cls, *, reason: Reason = Reason.DRAINED, **measured: Any) -> Outcome:
        """running -> waiting: the node goes down; it runs again and nothing is counted; stopping -> stopped"""
        return cls(RunStatus.STOPPED, Status.WAITING, reason=reason, **measured)

    @classmethod
    def lost(cls, error: str, *, job_status: Status) -> Outcome:
        """running -> waiting | failed: the node died; stopping -> stopped"""
        return cls(RunStatus.LOST, job_status, reason=Reason.LOST, error=error)


@dataclass(slots=True)
class Report:
    """What a running job has to tell since the last time the dispatcher looked."""

    run_id: int
    job_id: int
    progress: float | None = None
    detail: str | None = None
    lines: list[OutputLine] = field(default_factory=list)
    checkpoint: Any = None
    has_checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A piece of a run's output. `stream` is "stdout", "stderr", "log" or "server"."""

    seq: int
    at: datetime
    stream: str
    text: str
