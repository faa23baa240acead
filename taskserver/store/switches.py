"""What is stored once for all nodes: whether waiting jobs start by themselves, and which tasks are offered."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from taskserver.database import Database
from taskserver.database.schema import settings, tasks
from taskserver.errors import did_you_mean
from taskserver.store.errors import TaskNotFound
from taskserver.store.rows import as_dict


class Switches:
    def __init__(self, database: Database) -> None:
        self._database = database

    def autostart(self) -> bool:
        with self._database.read() as connection:
            value = connection.execute(select(settings.c.value).where(settings.c.name == "autostart")).scalar()
        return value != "off"

    def set_autostart(self, on: bool) -> None:
        """Off: cron entries go on queueing, nothing but jobs started by hand is claimed. Survives restarts."""
        with self._database.write() as connection:
            value = "on" if on else "off"
            connection.execute(update(settings).where(settings.c.name == "autostart").values(value=value))


class PublishedTasks:
    """The tasks that the daemons have published, for programs that can't import them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return [as_dict(row) for row in connection.execute(select(tasks).order_by(tasks.c.name))]

    def get(self, name: str) -> dict[str, Any]:
        """Raises TaskNotFound, which names the nearest known one."""
        with self._database.read() as connection:
            row = connection.execute(select(tasks).where(tasks.c.name == name)).first()
            known = list(connection.execute(select(tasks.c.name)).scalars())
        if row is None:
            raise TaskNotFound(name=name, hint=did_you_mean(name, known))
        return as_dict(row)
