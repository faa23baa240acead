"""Clients: the tenants, and the logins under which their jobs run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from taskserver.database import Database
from taskserver.database.schema import clients, jobs
from taskserver.store.errors import ClientExists, ClientInUse, ClientNotFound, DefaultClientStays
from taskserver.store.rows import as_dict, require_name


class Clients:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, login: str | None = None, title: str = "", max_parallel: int | None = None
    ) -> dict[str, Any]:
        """Adds a client. Without a login none of its jobs runs. Raises ClientExists, EmptyName."""
        require_name(name)
        with self._database.write() as connection:
            self._refuse_twin(connection, name)
            values = {"name": name, "login": login or None, "title": title, "max_parallel": max_parallel}
            connection.execute(insert(clients).values(values))
            return _with_counts(self._get(connection, name), {})

    def get(self, name: str, *, counted: bool = True) -> dict[str, Any]:
        """The client, `counted` with the numbers of its `waiting` and `running` jobs. Raises ClientNotFound."""
        with self._database.read() as connection:
            row = self._get(connection, name)
            return _with_counts(row, self._counts(connection)) if counted else row

    def find(
        self,
        *,
        visible: Collection[int] | None = None,
        counted: bool = True,
        after: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Every client by name, or those with these ids; `counted` as with `get`, which looks at every job.

        `after` and `before` are names, of clients that need not be there any more: those next to it.
        """
        query = select(clients)
        if visible is not None:
            query = query.where(clients.c.id.in_(list(visible)))
        if after is not None:
            query = query.where(clients.c.name > after)
        if before is not None:
            query = query.where(clients.c.name < before)
        backward = before is not None
        query = query.order_by(clients.c.name.desc() if backward else clients.c.name).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            counts = self._counts(connection) if counted else None
        found = [as_dict(row) if counts is None else _with_counts(as_dict(row), counts) for row in rows]
        return found[::-1] if backward else found

    def edit(self, name: str, **changed: Any) -> None:
        """Changes new_name, title, max_parallel (None: no limit). Raises ClientExists, EmptyName."""
        with self._database.write() as connection:
            self._get(connection, name)
            new_name = changed.pop("new_name", None)
            if new_name is not None and new_name != name:
                require_name(new_name)
                self._refuse_twin(connection, new_name)
                changed["name"] = new_name
            unknown = set(changed) - {"name", "title", "max_parallel"}
            if unknown:
                raise ValueError(f"not to be edited: {sorted(unknown)}")
            if changed:
                connection.execute(update(clients).where(clients.c.name == name).values(changed))

    def set_login(self, name: str, login: str | None) -> None:
        """The application user under whom its jobs run from now on; None switches the task server off for it."""
        with self._database.write() as connection:
            self._get(connection, name)
            connection.execute(update(clients).where(clients.c.name == name).values(login=login or None))

    def delete(self, name: str) -> None:
        """Raises ClientInUse while it has jobs or cron entries. Its runs stay."""
        with self._database.write() as connection:
            client = self._get(connection, name)
            if client["id"] == 1:
                raise DefaultClientStays()
            count = connection.execute(select(func.count()).where(jobs.c.client_id == client["id"])).scalar_one()
            if count:
                raise ClientInUse(name=name, count=count)
            connection.execute(delete(clients).where(clients.c.id == client["id"]))

    def _get(self, connection: Connection, name: str) -> dict[str, Any]:
        row = connection.execute(select(clients).where(clients.c.name == name)).first()
        if row is None:
            raise ClientNotFound(name=name)
        return as_dict(row)

    @staticmethod
    def _counts(connection: Connection) -> dict[tuple[int, str], int]:
        rows = connection.execute(
            select(jobs.c.client_id, jobs.c.status, func.count())
            .where(jobs.c.type == "once", jobs.c.status.in_(["waiting", "running", "stopping"]))
            .group_by(jobs.c.client_id, jobs.c.status)
        )
        return {(row[0], row[1]): row[2] for row in rows}

    @staticmethod
    def _refuse_twin(connection: Connection, name: str) -> None:
        if connection.execute(select(clients.c.id).where(clients.c.name == name)).first():
            raise ClientExists(name=name)


def client_id(connection: Connection, name: str) -> int:
    """The number of the client of this name. Raises ClientNotFound."""
    found = connection.execute(select(clients.c.id).where(clients.c.name == name)).scalar()
    if found is None:
        raise ClientNotFound(name=name)
    return int(found)


def _with_counts(row: dict[str, Any], counts: dict[tuple[int, str], int]) -> dict[str, Any]:
    mine = {status: counts.get((row["id"], status), 0) for status in ("waiting", "running", "stopping")}
    return {**row, "waiting": mine["waiting"], "running": mine["running"] + mine["stopping"]}
