"""Runs: the permanent record of what was executed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from taskserver.database import Database
from taskserver.database.schema import clients, runs
from taskserver.store.clients import client_id
from taskserver.store.errors import RunNotFound
from taskserver.store.rows import as_dict
from taskserver.store.searching import holds

of_client = runs.c.client_id + 0
"""Not the column itself: its index would be taken, and all runs of the client sorted for the newest few."""


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, run_id: int) -> dict[str, Any]:
        with self._database.read() as connection:
            row = connection.execute(self._select().where(runs.c.id == run_id)).first()
        if row is None:
            raise RunNotFound(run_id=run_id)
        return as_dict(row)

    def find(
        self,
        *,
        job_id: int | None = None,
        cron_entry_id: int | None = None,
        task: str | None = None,
        status: str | None = None,
        text: str | None = None,
        result: str | None = None,
        error: str | None = None,
        client: str | None = None,
        node: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        before_id: int | None = None,
        visible: Collection[int] | None = None,
    ) -> list[dict[str, Any]]:
        """Runs, the newest first. `text`, `result` and `error` are looked for anywhere, in any case.

        `before_id` goes on with older runs. `visible`: ids of the only clients whose runs are looked at. A filter
        that no index knows may cost a walk through all runs: `store.history` is for who must not wait for that.
        Raises ClientNotFound.
        """
        wanted: list[ColumnElement[bool]] = []
        for column, value in (
            (runs.c.job_id, job_id),
            (runs.c.cron_entry_id, cron_entry_id),
            (runs.c.task, task),
            (runs.c.status, status),
            (runs.c.node_id, node),
        ):
            if value is not None:
                wanted.append(column == value)
        for columns, needle in (
            ((runs.c.title, runs.c.task), text),
            ((runs.c.result,), result),
            ((runs.c.error,), error),
        ):
            if needle:
                wanted.append(holds(self._database, columns, needle))
        if since is not None:
            wanted.append(runs.c.finished_at >= since)
        if until is not None:
            wanted.append(runs.c.finished_at < until)
        if before_id is not None:
            wanted.append(runs.c.id < before_id)
        if visible is not None:
            wanted.append(of_client.in_(list(visible)))
        with self._database.read() as connection:
            if client is not None:
                wanted.append(of_client == client_id(connection, client))
            query = self._select().where(*wanted).order_by(runs.c.id.desc()).limit(limit)
            return [as_dict(row) for row in connection.execute(query)]

    @staticmethod
    def _select() -> Select[Any]:
        return select(runs, clients.c.name.label("client")).outerjoin(clients, clients.c.id == runs.c.client_id)
