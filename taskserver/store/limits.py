"""What a node may take in one turn: its capacity, and the room that limited tasks and clients have left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from taskserver.database import Database


@dataclass(slots=True)
class Capacity:
    """What a node can take in this turn."""

    node: int
    """The node's row, not its name."""
    node_id: str
    free: int
    limits: Mapping[str, int | None]
    """Every task this node offers, with its max_parallel."""
    only_own_jobs: bool = False
    autostart: bool = True


@dataclass(slots=True)
class Head:
    id: int
    client_id: int
    priority: int
    position: int
    task: str
    node_id: str | None
    lane: str

    def order(self) -> tuple[int, int, int]:
        return (-self.priority, self.position, self.id)


class Limits:
    """How much room the limited tasks and clients of one turn have left.

    Where several nodes share the database the rows that stand for the limits are locked first and the running
    jobs are counted by a statement of their own after that: counted without the lock, a limit of 3 was seen
    at 6. A limit that another node holds in this instant has no room for us in this turn.
    """

    def __init__(self, database: Database, connection: Connection, capacity: Capacity) -> None:
        self._database = database
        self._connection = connection
        self._limits = capacity.limits
        self._tasks: dict[str, int] = {}
        self._clients: dict[int, int] = {}
        self._tasks_left: dict[str, int] = {}
        self._clients_left: dict[int, int] = {}
        self.contended = False

    def lock(self, names: Collection[str]) -> None:
        limited = sorted(name for name in names if self._limits.get(name) is not None and name not in self._tasks)
        if not limited:
            return
        locked = self._locked("tasks", "name", limited)
        running = self._running("task", limited)
        for name in limited:
            room = (self._limits[name] or 0) - running.get(name, 0)
            self._tasks[name] = room if name in locked else 0

    def lock_clients(self, clients: Iterable[Any]) -> None:
        limited = sorted((row.id, row.max_parallel) for row in clients if row.max_parallel is not None)
        if not limited:
            return
        ids = [client_id for client_id, _ in limited]
        locked = self._locked("clients", "id", ids)
        running = self._running("client_id", ids)
        for client_id, most in limited:
            self._clients[client_id] = most - running.get(client_id, 0) if client_id in locked else 0

    def room(self, task: str) -> int:
        return self._tasks.get(task, 1)

    def reset(self) -> None:
        self._tasks_left = dict(self._tasks)
        self._clients_left = dict(self._clients)

    def take(self, head: Head, clients: Mapping[int, Any]) -> bool:
        task, client_id = head.task, head.client_id
        if client_id not in clients:
            return False
        if self._tasks_left.get(task, 1) <= 0 or self._clients_left.get(client_id, 1) <= 0:
            return False
        if task in self._tasks_left:
            self._tasks_left[task] -= 1
        if client_id in self._clients_left:
            self._clients_left[client_id] -= 1
        return True

    def _locked(self, table: str, column: str, keys: list[Any]) -> set[Any]:
        skip_locked = self._database.dialect.skip_locked
        if not skip_locked:
            return set(keys)
        rows = self._connection.exec_driver_sql(
            f"SELECT j.{column} FROM {table} j WHERE j.{column} = ANY(%(keys)s) ORDER BY j.{column} {skip_locked}",
            {"keys": keys},
        )
        locked = {row[0] for row in rows}
        self.contended = self.contended or len(locked) < len(keys)
        return locked

    def _running(self, column: str, keys: list[Any]) -> dict[Any, int]:
        rows = self._connection.exec_driver_sql(
            f"SELECT {column}, count(*) FROM jobs WHERE claim IS NOT NULL GROUP BY {column}"
        )
        wanted = set(keys)
        return {key: count for key, count in rows if key in wanted}
