"""Cron entries: the templates that queue a job at each due time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, delete, func, insert, select, tuple_, update

from taskserver.cron import check_time_zone, parse
from taskserver.database import Database
from taskserver.database.schema import clients, jobs, missed_runs, tasks
from taskserver.store.clients import client_id
from taskserver.store.errors import EntryExists, EntryNotFound
from taskserver.store.occurrences import insert_by_hand
from taskserver.store.rows import OF_TASK, as_dict, document, require_name, require_task_name, shown_title
from taskserver.store.searching import holds

UTC = ZoneInfo("UTC")

EDITABLE = frozenset(
    {
        *("name", "task", "data", "cron_spec", "time_zone", "title", "description", "misfire", "overlap"),
        *("priority", "node_id", "max_attempts"),
    }
)

Key = tuple[str, str, int]
"""Where an entry stands in the order of client and name."""

_KEY = (func.coalesce(clients.c.name, ""), func.coalesce(jobs.c.name, ""), jobs.c.id)
_SEARCHED = (jobs.c.name, jobs.c.title, jobs.c.description, jobs.c.task)


def key_of(entry: Mapping[str, Any]) -> Key:
    return entry["client"] or "", entry["name"] or "", entry["id"]


class CronEntries:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        task: str,
        data: Mapping[str, Any] | None = None,
        *,
        cron_spec: str,
        time_zone: str,
        client: str = "default",
        title: str = "",
        description: str = "",
        misfire: str = "once",
        overlap: str = "skip",
        priority: int = 0,
        node_id: str | None = None,
        max_attempts: int | None = None,
        active: bool = True,
        created_by: str = "",
    ) -> int:
        """Adds an entry and returns its id.

        Raises InvalidSchedule, InvalidTimeZone, ClientNotFound, EntryExists, EmptyName, EmptyTaskName, NotJson.
        """
        require_name(name)
        require_task_name(task)
        document(task, data or {})
        schedule, zone = parse(cron_spec), check_time_zone(time_zone)
        with self._database.write() as connection:
            owner = client_id(connection, client)
            self._refuse_twin(connection, owner, client, name)
            now = self._database.now()
            values = {
                "client_id": owner,
                "type": "interval",
                "name": name,
                "task": task,
                "data": dict(data or {}),
                "cron_spec": cron_spec,
                "time_zone": time_zone,
                "title": title,
                "description": description,
                "misfire": misfire,
                "overlap": overlap,
                "priority": priority,
                "node_id": node_id,
                "max_attempts": max_attempts,
                "active": active,
                "status": None,
                "ready": None,
                "next_run_at": schedule.next_after(now, zone),
                "created_at": now,
                "created_by": created_by,
            }
            added: int = connection.execute(insert(jobs).values(values).returning(jobs.c.id)).scalar_one()
            return added

    def get(self, name_or_id: str | int, client: str = "default") -> dict[str, Any]:
        """The entry by its number, or by its name and client. Raises EntryNotFound."""
        with self._database.read() as connection:
            return self._get(connection, name_or_id, client)

    def find(
        self,
        client: str | None = None,
        *,
        visible: Collection[int] | None = None,
        ids: Collection[int] | None = None,
        text: str | None = None,
        active: bool | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """By client and name. `visible`: ids of the only clients whose entries are looked at; `text` is looked for
        in name, title, description and task. `after` and `before` are `key_of` an entry: those next to it.

        Raises ClientNotFound.
        """
        query = self._select()
        if visible is not None:
            query = query.where(jobs.c.client_id.in_(list(visible)))
        if ids is not None:
            query = query.where(jobs.c.id.in_(list(ids)))
        if text:
            query = query.where(holds(self._database, _SEARCHED, text))
        if active is not None:
            query = query.where(jobs.c.active if active else ~jobs.c.active)
        if after is not None:
            query = query.where(tuple_(*_KEY) > after)
        if before is not None:
            query = query.where(tuple_(*_KEY) < before)
        backward = before is not None
        query = query.order_by(*(column.desc() if backward else column for column in _KEY)).limit(limit)
        with self._database.read() as connection:
            if client is not None:
                query = query.where(jobs.c.client_id == client_id(connection, client))
            rows = [_entry(row) for row in connection.execute(query)]
        return rows[::-1] if backward else rows

    def edit(self, entry_id: int, *, default_zone: ZoneInfo = UTC, **changed: Any) -> None:
        """Changes columns of EDITABLE; with cron_spec or time_zone the next run is computed anew.

        `default_zone` is that of the installation, for an entry that names none.
        """
        unknown = set(changed) - EDITABLE
        if unknown:
            raise ValueError(f"not to be edited: {sorted(unknown)}")
        with self._database.write() as connection:
            entry = self._get(connection, entry_id)
            if not changed:
                return
            document(entry["task"], changed.get("data") or {})
            if changed.get("name", entry["name"]) != entry["name"]:
                require_name(changed["name"])
                self._refuse_twin(connection, entry["client_id"], entry["client"], changed["name"])
            if "cron_spec" in changed or "time_zone" in changed:
                changed |= self._next_run({**entry, **changed}, default_zone)
            connection.execute(update(jobs).where(jobs.c.id == entry_id).values(changed))

    def enable(self, entry_id: int, *, default_zone: ZoneInfo = UTC) -> None:
        """Active from now on: due times that passed while it was not are not made up for.

        `default_zone` is that of the installation, for an entry that names none.
        """
        with self._database.write() as connection:
            entry = self._get(connection, entry_id)
            if not entry["active"]:
                values = {"active": True, "error": None, **self._next_run(entry, default_zone)}
                connection.execute(update(jobs).where(jobs.c.id == entry_id).values(values))

    def disable(self, entry_id: int) -> None:
        with self._database.write() as connection:
            self._get(connection, entry_id)
            connection.execute(update(jobs).where(jobs.c.id == entry_id).values(active=False))

    def run(self, entry_id: int) -> int:
        """Queues one job of it now, before all others, and does not move the schedule; returns the job's id."""
        with self._database.write() as connection:
            self._get(connection, entry_id)
            entry = connection.execute(select(jobs).where(jobs.c.id == entry_id)).one()
            now = self._database.now()
            connection.execute(update(jobs).where(jobs.c.id == entry_id).values(last_run_at=now))
            return insert_by_hand(connection, entry, now)

    def delete(self, entry_id: int) -> None:
        """Removes the entry; jobs that it has queued stay."""
        with self._database.write() as connection:
            self._get(connection, entry_id)
            connection.execute(delete(jobs).where(jobs.c.id == entry_id, jobs.c.type == "interval"))

    def missed(self, entry_id: int, limit: int = 20) -> list[dict[str, Any]]:
        """Due times that led to no job, the newest gap first: first_due_at, last_due_at, count, reason, at."""
        query = select(missed_runs).where(missed_runs.c.cron_entry_id == entry_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(missed_runs.c.id.desc()).limit(limit))
            return [as_dict(row) for row in rows]

    def _get(self, connection: Connection, name_or_id: str | int, client: str = "default") -> dict[str, Any]:
        query = self._select()
        row = None
        if isinstance(name_or_id, str):
            by_name = (jobs.c.name == name_or_id) & (clients.c.name == client)
            row = connection.execute(query.where(by_name)).first()
        if row is None and str(name_or_id).isdecimal() and len(str(name_or_id)) < 19:
            row = connection.execute(query.where(jobs.c.id == int(name_or_id))).first()
        if row is None:
            raise EntryNotFound(name=name_or_id, client=client)
        return _entry(row)

    def _next_run(self, entry: Mapping[str, Any], default_zone: ZoneInfo) -> dict[str, Any]:
        zone = check_time_zone(entry["time_zone"]) if entry["time_zone"] else default_zone
        return {"next_run_at": parse(entry["cron_spec"]).next_after(self._database.now(), zone)}

    @staticmethod
    def _select() -> Select[Any]:
        return (
            select(jobs, clients.c.name.label("client"), *OF_TASK)
            .join(clients, clients.c.id == jobs.c.client_id)
            .outerjoin(tasks, tasks.c.name == jobs.c.task)
            .where(jobs.c.type == "interval")
        )

    @staticmethod
    def _refuse_twin(connection: Connection, owner: int, client: str, name: str) -> None:
        twin = select(jobs.c.id).where(jobs.c.client_id == owner, jobs.c.type == "interval", jobs.c.name == name)
        if connection.execute(twin).first():
            raise EntryExists(client=client, name=name)


def _entry(row: Any) -> dict[str, Any]:
    entry = as_dict(row)
    entry["title"] = shown_title(entry)
    return entry
