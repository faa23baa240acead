"""What applications call: `connect` to a database, queue jobs, look how they are doing.

It needs no running daemon; one that runs on this machine is woken after each commit. It refuses to run tasks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Unpack

from taskserver.errors import TaskServerError
from taskserver.jobs import ENDED
from taskserver.store import Enqueued, ForMany, ForOne, Store
from taskserver.tasks.errors import UnknownTask
from taskserver.tasks.schemas import validate_by_schema
from taskserver.texts import mark

PUBLISHED_FOR_SECONDS = 10.0
"""How long the published tasks are remembered before they are read again."""

LOOK_AGAIN_SECONDS = 0.1


class WaitedTooLong(TaskServerError):
    text = mark("job {job_id} is still {status} after {seconds:g} s")


def connect(url: str, *, created_by: str = "", validate: bool = True) -> Server:
    """The server on a database, such as "sqlite:////srv/erp/users/taskserver.sqlite" or "postgresql://...".

    `created_by` is kept with every job. With `validate` (the default) an unknown task or a wrong argument is
    refused when the job is queued; without it, the job fails when it runs. Use it as a context manager, or call
    `close`. Raises DatabaseUnavailable, DatabaseRefused, NoDatabase, NeedsUpgrade, SchemaTooNew.
    """
    return Server(Store.open(url), created_by=created_by, validate=validate)


class Server:
    """Queues jobs and answers about them. Threads may share it."""

    def __init__(self, store: Store, *, created_by: str = "", validate: bool = True) -> None:
        self._store = store
        self._created_by = created_by
        self._validate = validate
        self._published: dict[str, dict[str, Any]] = {}
        self._published_until = 0.0

    def enqueue(self, task: str, data: Mapping[str, Any] | None = None, **wishes: Unpack[ForOne]) -> Enqueued:
        """Queues one job; returns its `id`, and whether it was `created` or had been there under its unique key.

        Of its `wishes` each may be left out: `client` (its name; "default"), `title`, `description`, `priority`
        (higher first; 0), `run_at` (aware; now), `unique_key`, `unique_for` ("live": among jobs that have not
        ended, or "ever": any that has finished, too), `max_attempts`, `node_id` (only this node), `connection`.

        With `connection` (SQLAlchemy's connection or session, or sqlite3's or psycopg's) the job is inserted
        there and commits or rolls back with the application's own work; otherwise it is committed on return.
        Raises UnknownTask, InvalidArguments, ClientNotFound.
        """
        checked = self._checked(task, data or {})
        enqueued = self._store.jobs.enqueue(task, checked, created_by=self._created_by, **wishes)
        if wishes.get("connection") is None:
            self._store.nodes.wake()
        return enqueued

    def enqueue_many(self, task: str, data: Sequence[Mapping[str, Any]], **wishes: Unpack[ForMany]) -> list[int]:
        """Queues one job for each of `data`, all or none; returns their ids in that order.

        `wishes` hold for all of them, as in `enqueue`: `client`, `title`, `priority`, `run_at`, `max_attempts`,
        `node_id`, `connection`.
        """
        checked = [self._checked(task, each) for each in data]
        ids = self._store.jobs.enqueue_many(task, checked, created_by=self._created_by, **wishes)
        if wishes.get("connection") is None:
            self._store.nodes.wake()
        return ids

    def job(self, job_id: int) -> dict[str, Any]:
        """The job as a dict of its columns; of its last run when the row is gone. Raises JobNotFound."""
        return self._store.jobs.get(job_id)

    def start(self, job_id: int) -> None:
        """Starts it by hand: before all others, or again if it has ended."""
        self._store.jobs.start(job_id)
        self._store.nodes.wake()

    def stop(self, job_id: int) -> None:
        """Stops a waiting job, asks a running one to stop."""
        self._store.jobs.stop(job_id)
        self._store.nodes.wake()

    def wait(self, job_id: int, timeout: float | timedelta | None = None) -> dict[str, Any]:
        """Waits until the job has ended and returns it. Raises WaitedTooLong after `timeout` (seconds)."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            job = self.job(job_id)
            if job["gone"] or job["status"] in ENDED:
                return job
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitedTooLong(job_id=job_id, status=job["status"], seconds=seconds)
            time.sleep(LOOK_AGAIN_SECONDS)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, task: str, data: Mapping[str, Any]) -> dict[str, Any]:
        if not self._validate:
            return dict(data)
        return validate_by_schema(self._schema(task), dict(data), task=task)

    def _schema(self, task: str) -> dict[str, Any]:
        now = time.monotonic()
        if now >= self._published_until or task not in self._published:
            self._published = {row["name"]: row for row in self._store.tasks.find()}
            self._published_until = now + PUBLISHED_FOR_SECONDS
        try:
            schema: dict[str, Any] = self._published[task]["schema"]
        except KeyError:
            raise UnknownTask(task, self._published) from None
        return schema


__all__ = ["Server", "WaitedTooLong", "connect"]
