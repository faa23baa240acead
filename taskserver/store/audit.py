"""The audit: who did what, when, from where, to which job. Rows are added and never changed.

Written inside `database.together`, a row commits with the action that it tells of, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, select

from taskserver.database import Database
from taskserver.database.schema import audit, clients
from taskserver.store.rows import as_dict

Row = dict[str, Any]


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self,
        action: str,
        *,
        actor: str,
        source: str = "",
        client_id: int | None = None,
        job_id: int | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        with self._database.write() as connection:
            values = {
                "at": self._database.now(),
                "actor": actor,
                "source": source,
                "action": action,
                "client_id": client_id,
                "job_id": job_id,
                "detail": detail or {},
            }
            connection.execute(insert(audit).values(values))

    def find(
        self,
        *,
        visible: Collection[int] | None = None,
        client_id: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        job_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """The newest first, with `client` by name. `visible`: ids of clients; None: everything.

        `before_id` goes on to older rows; `after_id` to newer ones, of which it takes the next.
        """
        wanted: list[ColumnElement[bool]] = []
        if visible is not None:
            wanted.append(audit.c.client_id.in_(list(visible)))
        equal = (
            (audit.c.client_id, client_id),
            (audit.c.actor, actor),
            (audit.c.action, action),
            (audit.c.job_id, job_id),
        )
        for column, value in equal:
            if value is not None:
                wanted.append(column == value)
        if since is not None:
            wanted.append(audit.c.at >= since)
        if until is not None:
            wanted.append(audit.c.at < until)
        if before_id is not None:
            wanted.append(audit.c.id < before_id)
        if after_id is not None:
            wanted.append(audit.c.id > after_id)
        query = select(audit, clients.c.name.label("client")).outerjoin(clients, clients.c.id == audit.c.client_id)
        with self._database.read() as connection:
            order = audit.c.id.desc() if after_id is None else audit.c.id
            rows = connection.execute(query.where(*wanted).order_by(order).limit(limit))
            found = [as_dict(row) for row in rows]
        return found if after_id is None else found[::-1]
