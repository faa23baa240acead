"""What a running task is given: who it works for, how far it is, whether to stop, what to keep.

A task talks to its `Context`; the context talks to a `Channel`, which the executors implement. Nothing here
knows of threads, processes or the database.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from taskserver.jobs import Claim, Reason
from taskserver.tasks.errors import NotStorable, Stopped, TimedOut

if TYPE_CHECKING:
    import logging
    from datetime import datetime

    from sqlalchemy import Connection


class Channel(Protocol):
    """The way from a running task to whoever runs it. Every method may be called from any thread."""

    def report(self, progress: float | None, detail: str | None) -> None:
        """Takes note; None leaves what was reported before. Costs next to nothing."""

    def line(self, stream: str, text: str) -> None:
        """Keeps lines with the run, up to its limit."""

    def stop_reason(self) -> Reason | None:
        """Why the run is to stop, None while it is not."""

    def save_checkpoint(self, data: Any) -> None:
        """Returns when the checkpoint is safe. Raises Stopped when the claim was lost."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """The run's one transaction in the job database; it commits together with the outcome."""


class Context:
    """A task's view of its own run. Made for one run, used by the thread that runs it and those it starts."""

    def __init__(self, claim: Claim, channel: Channel) -> None:
        self._claim = claim
        self._channel = channel
        self._checkpoint = claim.checkpoint
        self._detail = ""
        self._logger: logging.Logger | None = None

    @property
    def client(self) -> str:
        """The name of the client for whom the job runs."""
        return self._claim.client

    @property
    def login(self) -> str:
        """The application user under whom the client's jobs run."""
        return self._claim.login

    @property
    def job_id(self) -> int:
        return self._claim.job_id

    @property
    def run_id(self) -> int:
        return self._claim.run_id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._claim.task

    @property
    def due_at(self) -> datetime | None:
        """The occurrence of the cron entry that this job stands for (aware, UTC); None for other jobs."""
        return self._claim.due_at

    @property
    def attempt(self) -> int:
        """1 in the first run, one more after each failure."""
        return self._claim.attempt + 1

    def progress(self, percent: float | None, detail: str | None = None) -> None:
        """Tell how far it is: percent from 0 to 100 (beyond that it is cut; None: unknown), and a word about it.

        Cheap enough for a tight loop. Raises Stopped, or TimedOut, when the run is to stop.
        """
        if percent is not None and not 0 <= percent <= 100:
            percent = _into_range(percent)
        if detail is not None:
            self._detail = detail
        self._channel.report(percent, detail)
        if self._channel.stop_reason() is not None:
            self._stop()

    @property
    def detail(self) -> str:
        """The word last said about the progress. Assigning to it says another, without a stop check."""
        return self._detail

    @detail.setter
    def detail(self, text: str) -> None:
        self._detail = text
        self._channel.report(None, text)

    @property
    def stop_requested(self) -> bool:
        """Whether the run is to stop, for tasks that end in their own way."""
        return self._channel.stop_reason() is not None

    def check_stop(self) -> None:
        """Raises Stopped, or TimedOut, when the run is to stop."""
        if self._channel.stop_reason() is not None:
            self._stop()

    def _stop(self) -> NoReturn:
        raise TimedOut if self._channel.stop_reason() is Reason.TIMEOUT else Stopped

    def checkpoint(self, data: Any) -> None:
        """Keep JSON from which a later run of this job goes on. Returns when it is committed.

        After ctx.transaction() was used, it commits with the run's transaction. Raises NotStorable for what is
        no JSON, and Stopped when another node has taken the job over.
        """
        kept = _as_json(data)
        self._channel.save_checkpoint(kept)
        self._checkpoint = kept

    @property
    def checkpoint_data(self) -> Any:
        """What the last checkpoint of this job holds, from this run or an earlier one; None without one."""
        return self._checkpoint

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection to the job database whose writes commit with the job's outcome, or not at all.

        Leaving the block does not commit. An error that leaves the block rolls back everything written in it.
        """
        return self._channel.transaction()

    @property
    def logger(self) -> logging.Logger:
        """A logger whose lines are kept with the run, and go to the log of the node as well."""
        if self._logger is None:
            from taskserver.tasks.logs import run_logger

            self._logger = run_logger(self._claim, self._channel.line)
        return self._logger


def _into_range(percent: float) -> float:
    if percent != percent:  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError("progress is a number from 0 to 100, not NaN")
    return min(max(percent, 0.0), 100.0)


def _as_json(data: Any) -> Any:
    """A copy of `data` as JSON gives it back, so that later changes by the task do not reach it."""
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStorable(what="checkpoint", reason=error) from None
    return json.loads(text)
