"""Cron entries through the door. Operators run, pause and resume them; the client's administrators change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskserver.store import Role
from taskserver.store.errors import EntryNotFound
from taskserver.web.redaction import restored
from taskserver.web.scope.door import Door, Row


class ScopedEntries:
    """`scope.entries`: by id. Rows are those of `store.entries`, without secrets in their data."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self, client: str | None = None, **wanted: Any) -> list[Row]:
        """Conditions as `store.entries.find` has them. Raises ClientNotFound."""
        rows = self._door.store.entries.find(**self._door.filtered({**wanted, "client": client}))
        return [self._door.shown(row) for row in rows]

    def get(self, entry_id: int) -> Row:
        """Raises EntryNotFound."""
        return self._door.shown(self._seen(entry_id))

    def missed(self, entry_id: int, limit: int = 20) -> list[Row]:
        self._seen(entry_id)
        return self._door.store.entries.missed(entry_id, limit)

    def last_outcomes(self, entry_ids: list[int]) -> dict[int, list[Row]]:
        """The last ten runs of each of these entries that can be seen."""
        seen = {row["id"] for row in self.find(ids=entry_ids)}
        mine = [entry_id for entry_id in entry_ids if entry_id in seen]
        return self._door.store.estimates.last_outcomes(mine)

    def add(
        self,
        name: str,
        task: str,
        data: Mapping[str, Any] | None = None,
        *,
        client: str,
        like: int | None = None,
        **columns: Any,
    ) -> int:
        """`like`: the entry of which this is a copy; secrets that were left hidden in `data` are its own, which
        takes an administrator there, too.

        Raises InvalidSchedule, InvalidTimeZone, ClientNotFound, EntryExists, TaskNotFound, InvalidArguments."""
        door = self._door
        with door.acting(wakes=True):
            row = door.client(client)
            door.require(Role.ADMINISTRATOR, row["id"])
            if like is not None:
                source = self._changeable(like, Role.ADMINISTRATOR)
                data = restored(dict(data or {}), source["data"])
            checked = door.checked(task, dict(data or {}))
            entry_id = door.store.entries.add(
                name, task, checked, client=client, created_by=door.principal.actor, **columns
            )
            door.note("entry.add", client_id=row["id"], job_id=entry_id, name=name, task=task)
        return entry_id

    def edit(self, entry_id: int, **changed: Any) -> None:
        """Columns of `store.entries.EDITABLE`; secrets that were left hidden in `data` stay what they are."""
        door = self._door
        with door.acting(wakes=True):
            entry = self._changeable(entry_id, Role.ADMINISTRATOR)
            if "data" in changed or "task" in changed:
                task = str(changed.get("task", entry["task"]))
                data = restored(changed.get("data", entry["data"]), entry["data"])
                changed["data"] = door.checked(task, data)
            door.store.entries.edit(entry_id, **changed)
            self._note("edit", entry, changed=sorted(changed))

    def enable(self, entry_id: int) -> None:
        with self._door.acting(wakes=True):
            entry = self._changeable(entry_id, Role.OPERATOR)
            self._door.store.entries.enable(entry_id)
            self._note("enable", entry)

    def disable(self, entry_id: int) -> None:
        with self._door.acting(wakes=True):
            entry = self._changeable(entry_id, Role.OPERATOR)
            self._door.store.entries.disable(entry_id)
            self._note("disable", entry)

    def run(self, entry_id: int) -> int:
        """Queues one job of it now, before all others; the job's id."""
        with self._door.acting(wakes=True):
            entry = self._changeable(entry_id, Role.OPERATOR)
            job_id = self._door.store.entries.run(entry_id)
            self._note("run", entry, queued=job_id)
        return job_id

    def delete(self, entry_id: int) -> None:
        with self._door.acting():
            entry = self._changeable(entry_id, Role.ADMINISTRATOR)
            self._door.store.entries.delete(entry_id)
            self._note("delete", entry, task=entry["task"], cron_spec=entry["cron_spec"])

    def _seen(self, entry_id: int) -> Row:
        entry = self._door.store.entries.get(int(entry_id))
        if not self._door.sees(entry["client_id"]):
            raise EntryNotFound(name=entry_id, client="default")
        return entry

    def _changeable(self, entry_id: int, role: Role) -> Row:
        entry = self._seen(entry_id)
        self._door.require(role, entry["client_id"])
        return entry

    def _note(self, verb: str, entry: Row, **detail: Any) -> None:
        self._door.note(
            f"entry.{verb}", client_id=entry["client_id"], job_id=entry["id"], name=entry["name"], **detail
        )
