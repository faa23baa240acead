"""Clients through the door. To add and to delete them needs an administrator for all."""

from __future__ import annotations

from typing import Any

from taskserver.store import Role
from taskserver.web.scope.door import Door, Row


class ScopedClients:
    """`scope.clients`: by name."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self, *, counted: bool = True, **page: Any) -> list[Row]:
        """`counted` with the numbers of their jobs, which costs a look at every job.

        `page` is after, before and limit, as `store.clients.find` has them.
        """
        return self._door.store.clients.find(**{**page, "visible": self._door.visible, "counted": counted})

    def get(self, name: str) -> Row:
        """With the numbers of its jobs. Raises ClientNotFound."""
        self._door.client(name)
        return self._door.store.clients.get(name)

    def add(self, name: str, **columns: Any) -> Row:
        """`columns`: login, title, max_parallel."""
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            row = self._door.store.clients.add(name, **columns)
            self._door.note("client.add", client_id=row["id"], name=name, login=row["login"])
        return row

    def edit(self, name: str, **changed: Any) -> None:
        """`changed`: new_name, title, max_parallel. A new name needs an administrator for all: others know it."""
        with self._door.acting(wakes=True):
            row = self._changeable(name)
            if changed.get("new_name", name) != name:
                self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.clients.edit(name, **changed)
            self._door.note("client.edit", client_id=row["id"], name=name, **changed)

    def set_login(self, name: str, login: str | None) -> None:
        """Under whom its jobs run; with a login the task server works for it, without it does not."""
        with self._door.acting(wakes=True):
            row = self._changeable(name)
            self._door.store.clients.set_login(name, login)
            self._door.note("client.set_login", client_id=row["id"], name=name, login=login, was=row["login"])

    def delete(self, name: str) -> None:
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.clients.delete(name)
            self._door.note("client.delete", name=name)

    def _changeable(self, name: str) -> Row:
        row = self._door.client(name)
        self._door.require(Role.ADMINISTRATOR, row["id"])
        return row
