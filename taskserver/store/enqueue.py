"""Enqueuing: the one way in which jobs get into the table, other than a plain INSERT.

Works on the store's own connection, in a transaction of its own, or on the application's connection, where it
commits or rolls back with the application's work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from taskserver.database import VALUE_REFUSED, Database
from taskserver.database.schema import jobs
from taskserver.jobs import Ready
from taskserver.store.clients import client_id
from taskserver.store.errors import ClientNotFound, EmptyUniqueKey, InvalidUniqueFor, JobRefused, NaiveTime
from taskserver.store.occurrences import lane_for
from taskserver.store.rows import document, require_task_name

_INSERT = """
INSERT INTO jobs (client_id, task, title, description, data, priority, status, ready, next_run_at, lane,
  unique_key, max_attempts, node_id, active, position, created_at, created_by)
VALUES ((SELECT id FROM clients WHERE name = :client), :task, :title, :description, :data, :priority, 'waiting',
  :ready, :run_at, {lane}, :unique_key, :max_attempts, :node_id, :active, :position, :now, :created_by)
ON CONFLICT (client_id, unique_key)
  WHERE unique_key IS NOT NULL AND status IN ('waiting', 'running', 'stopping') DO NOTHING
RETURNING id
"""

_LANE = """
COALESCE((SELECT name FROM tasks WHERE name = :task AND max_parallel IS NOT NULL), '') || :at_node
"""

_LIVE_TWIN = """
SELECT j.id FROM jobs j JOIN clients c ON c.id = j.client_id
WHERE c.name = :client AND j.unique_key = :unique_key AND j.status IN ('waiting', 'running', 'stopping')
"""

_EVER_TWIN = """
SELECT j.id FROM jobs j JOIN clients c ON c.id = j.client_id
WHERE c.name = :client AND j.unique_key = :unique_key
UNION ALL
SELECT r.job_id FROM runs r JOIN clients c ON c.id = r.client_id
WHERE c.name = :client AND r.unique_key = :unique_key AND r.status = 'finished'
LIMIT 1
"""

_CLIENT = "SELECT id FROM clients WHERE name = :client"


UNIQUE_FOR = ("live", "ever")


class ForMany(TypedDict, total=False):
    """What may be said of jobs that are queued together. See `Enqueuing.enqueue` for each."""

    client: str
    title: str
    priority: int
    run_at: datetime | None
    max_attempts: int | None
    node_id: str | None
    connection: Any


class ForOne(ForMany, total=False):
    """What may be said of one job."""

    description: str
    unique_key: str | None
    unique_for: str


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that was queued, or the one that had its unique key already (`created` is False)."""

    id: int
    created: bool = True


class Enqueuing:
    """The verbs `enqueue` and `enqueue_many` of `store.jobs`."""

    _database: Database

    def enqueue(
        self,
        task: str,
        data: Mapping[str, Any] | None = None,
        *,
        client: str = "default",
        title: str = "",
        description: str = "",
        priority: int = 0,
        run_at: datetime | None = None,
        unique_key: str | None = None,
        unique_for: str = "live",
        max_attempts: int | None = None,
        node_id: str | None = None,
        active: bool = True,
        created_by: str = "",
        connection: Any = None,
    ) -> Enqueued:
        """Queues one job. `unique_for` is "live" (among jobs that have not ended) or "ever" (any run, too).

        `connection` is the application's: an SQLAlchemy connection or session, or a plain driver connection
        (sqlite3, psycopg); nothing is committed on it. Raises ClientNotFound, NotJson, EmptyUniqueKey.
        """
        require_task_name(task)
        now = self._database.now()
        _refuse_naive(run_at)
        if unique_for not in UNIQUE_FOR:
            raise InvalidUniqueFor(given=unique_for)
        if unique_key is not None and not unique_key.strip():
            raise EmptyUniqueKey()
        row = {
            "client": client,
            "task": task,
            "title": title.replace("\x00", ""),
            "description": description.replace("\x00", ""),
            "data": document(task, data or {}),
            "priority": priority,
            "ready": Ready.QUEUED if active and (run_at is None or run_at <= now) else None,
            "run_at": self._database.instant(run_at),
            "unique_key": unique_key,
            "max_attempts": max_attempts,
            "node_id": node_id,
            "at_node": f"@{node_id}" if node_id else "",
            "position": _nanoseconds(now),
            "active": active,
            "now": self._database.instant(now),
            "created_by": created_by,
        }
        if connection is not None:
            return self._enqueue(_Statements(self._database, connection, own=False), row, unique_for)
        with _refusals(task), self._database.write() as own:
            return self._enqueue(_Statements(self._database, own, own=True), row, unique_for)

    def _enqueue(self, on: _Statements, row: dict[str, Any], unique_for: str) -> Enqueued:
        key = {"client": row["client"], "unique_key": row["unique_key"]}
        if on.scalar(_CLIENT, {"client": row["client"]}) is None:
            raise ClientNotFound(name=row["client"])
        if row["unique_key"] is not None and unique_for == "ever":
            on.lock("unique key", row["client"], row["unique_key"])
            twin = on.scalar(_EVER_TWIN, key)
            if twin is not None:
                return Enqueued(twin, created=False)
        while True:
            job_id = on.scalar(_INSERT.format(lane=_LANE), row)
            if job_id is not None:
                return Enqueued(job_id)
            twin = on.scalar(_LIVE_TWIN, key)
            if twin is not None:
                return Enqueued(twin, created=False)
            # The twin ended between the two statements: its key is free now.

    def enqueue_many(
        self,
        task: str,
        data: Sequence[Mapping[str, Any]],
        *,
        client: str = "default",
        title: str = "",
        priority: int = 0,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        node_id: str | None = None,
        created_by: str = "",
        connection: Any = None,
    ) -> list[int]:
        """Queues one job for each of `data`, all in one transaction; returns their ids in that order.

        Raises ClientNotFound, NotJson: before anything was written, also on the application's connection.
        """
        if not data:
            return []
        require_task_name(task)
        for each in data:
            document(task, each)
        _refuse_naive(run_at)
        now = self._database.now()
        same = {
            "task": task,
            "title": title.replace("\x00", ""),
            "priority": priority,
            "status": "waiting",
            "ready": Ready.QUEUED if run_at is None or run_at <= now else None,
            "next_run_at": run_at,
            "max_attempts": max_attempts,
            "node_id": node_id,
            "created_at": now,
            "created_by": created_by,
        }
        if connection is not None:
            on = _sqlalchemy_connection(connection)
            if on is None:
                return [
                    self.enqueue(task, each, **_single(same, client), connection=connection).id for each in data
                ]
            return self._enqueue_many(on, same, data, client)
        with _refusals(task), self._database.write() as own:
            return self._enqueue_many(own, same, data, client)

    def _enqueue_many(
        self, connection: Connection, same: dict[str, Any], data: Sequence[Mapping[str, Any]], client: str
    ) -> list[int]:
        owner = client_id(connection, client)
        same = {**same, "client_id": owner, "lane": lane_for(connection, same["task"], same["node_id"])}
        first = _nanoseconds(same["created_at"])
        rows = [{**same, "data": dict(each), "position": first + number} for number, each in enumerate(data)]
        statement = insert(jobs).returning(jobs.c.id, sort_by_parameter_order=True)
        return list(connection.execute(statement, rows).scalars())


class _Statements:
    """Statements on a connection: the store's own, or the application's, whatever kind it is."""

    def __init__(self, database: Database, connection: Any, *, own: bool) -> None:
        self._database = database
        self._connection = connection
        self._own = own

    def scalar(self, sql: str, parameters: dict[str, Any]) -> Any:
        row = self._first(sql, parameters)
        if isinstance(row, dict):  # psycopg's dict_row
            return next(iter(row.values()))
        return None if row is None else row[0]

    def lock(self, *parts: str) -> None:
        """Until the transaction ends no other one passes here with the same parts."""
        if self._database.dialect.lock_sql:
            self.scalar(self._database.dialect.lock_sql, {"key": "\x1f".join(parts)})

    def _first(self, sql: str, parameters: dict[str, Any]) -> Any:
        if self._own:  # in the driver's own words: nothing is compiled for each job
            return self._connection.exec_driver_sql(self._database.statement(sql), parameters).first()
        connection = _sqlalchemy_connection(self._connection)
        if connection is not None:
            return connection.execute(text(sql), parameters).first()
        cursor = self._connection.cursor()
        row = cursor.execute(self._database.statement(sql), parameters).fetchone()
        cursor.close()
        return row


def _sqlalchemy_connection(connection: Any) -> Connection | None:
    """The SQLAlchemy connection of a connection or session; None for a plain driver's connection."""
    if isinstance(connection, Connection):
        return connection
    of_session = getattr(connection, "connection", None)
    return of_session() if callable(of_session) else None


def _single(same: dict[str, Any], client: str) -> dict[str, Any]:
    names = ("title", "priority", "max_attempts", "node_id", "created_by")
    return {**{name: same[name] for name in names}, "client": client, "run_at": same["next_run_at"]}


def _refuse_naive(run_at: datetime | None) -> None:
    if run_at is not None and (not isinstance(run_at, datetime) or run_at.tzinfo is None):
        raise NaiveTime(run_at=run_at)


@contextmanager
def _refusals(task: str) -> Iterator[None]:
    """What the database's own checks refuse, as one sentence."""
    try:
        yield
    except (IntegrityError, *VALUE_REFUSED) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise JobRefused(task=task, reason=reason) from error


def _nanoseconds(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, instant.tzinfo)) // timedelta(microseconds=1) * 1000
