"""Claims: which ready jobs a node takes in one turn, and the statement that takes them.

The shape is measured: a loose index scan finds the lanes and the clients that have ready jobs, each client's
head is read with a quota, the heads are merged round-robin over the clients, one guarded UPDATE takes them. So
the price depends neither on how many jobs wait nor on how many clients there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from taskserver.database import Database
from taskserver.database.types import load_json, read_instant
from taskserver.jobs import Claim, Ready
from taskserver.store.limits import Capacity, Head, Limits
from taskserver.store.occurrences import lane, split_lane

FILING_BATCH = 1000

_LANES = """
WITH RECURSIVE lanes(ready, lane) AS (
  SELECT 1, (SELECT min(lane) FROM jobs WHERE ready = 1)
  UNION ALL
  SELECT 1, (SELECT min(j.lane) FROM jobs j WHERE j.ready = 1 AND j.lane > lanes.lane)
  FROM lanes WHERE lanes.lane IS NOT NULL
), by_hand(ready, lane) AS (
  SELECT 2, (SELECT min(lane) FROM jobs WHERE ready = 2)
  UNION ALL
  SELECT 2, (SELECT min(j.lane) FROM jobs j WHERE j.ready = 2 AND j.lane > by_hand.lane)
  FROM by_hand WHERE by_hand.lane IS NOT NULL
)
SELECT ready, lane FROM lanes WHERE lane IS NOT NULL
UNION ALL SELECT ready, lane FROM by_hand WHERE lane IS NOT NULL
"""

# The bound counts clients that may run (with a login) and stands inside the recursion: outside it, a client
# would be lost.
_CLIENTS = """
WITH RECURSIVE found(client_id, n) AS (
  SELECT (SELECT min(client_id) FROM jobs WHERE ready = :ready AND lane = :lane AND client_id > :after), 0
  UNION ALL
  SELECT (SELECT min(j.client_id) FROM jobs j
          WHERE j.ready = :ready AND j.lane = :lane AND j.client_id > found.client_id),
         found.n + CASE WHEN EXISTS (SELECT 1 FROM clients c WHERE c.id = found.client_id AND c.login IS NOT NULL)
                   THEN 1 ELSE 0 END
  FROM found WHERE found.client_id IS NOT NULL AND found.n < :most
) SELECT c.id, c.name, c.login, c.max_parallel FROM found JOIN clients c ON c.id = found.client_id
WHERE c.login IS NOT NULL ORDER BY c.id
"""

_HEAD = """
SELECT j.id, j.client_id, j.priority, j.position, j.task, j.node_id FROM jobs j
WHERE j.ready = :ready AND j.lane = :lane AND j.client_id = :client_id AND j.active AND j.status = 'waiting'
ORDER BY j.priority DESC, j.position, j.id LIMIT :quota
"""

_HEADS_LATERAL = """
SELECT h.* FROM unnest(CAST(:client_ids AS bigint[])) AS wanted(client_id) CROSS JOIN LATERAL (
  SELECT j.id, j.client_id, j.priority, j.position, j.task, j.node_id FROM jobs j
  WHERE j.ready = :ready AND j.lane = :lane AND j.client_id = wanted.client_id AND j.active
    AND j.status = 'waiting'
  ORDER BY j.priority DESC, j.position, j.id LIMIT :quota {skip_locked}
) h
"""

_TAKEN = """
id, claim, client_id, task, title, data, attempt, max_attempts, crashes, due_at, cron_entry_id, checkpoint
"""

_TAKE_NUMBERED = f"""
UPDATE jobs SET status = 'running', ready = NULL, claim = :first + taken.key, claimed_by = :node,
  started_at = :now, last_run_at = :now, error = NULL
FROM json_each(:ids) AS taken
WHERE jobs.id = taken.value AND ready IS NOT NULL AND status = 'waiting' AND active
RETURNING {_TAKEN}
"""

_TAKE_SEQUENCE = f"""
UPDATE jobs SET status = 'running', ready = NULL, claim = nextval('run_ids'), claimed_by = :node,
  started_at = :now, last_run_at = :now, error = NULL
WHERE id = ANY(CAST(:ids AS bigint[])) AND ready IS NOT NULL AND status = 'waiting' AND active
RETURNING {_TAKEN}
"""

_OWN = f"""
SELECT {_TAKEN}, started_at, client_id FROM jobs WHERE claim IS NOT NULL AND claimed_by = :node
"""


@dataclass(slots=True)
class Taken:
    claims: list[Claim] = field(default_factory=list)
    filed: int = 0
    """Jobs that were moved to the lane they belong in: another turn should follow at once."""
    contended: bool = False
    """A limit was held by another node in this instant: look again soon."""


class Claims:
    """The dispatcher's step that takes jobs. Keeps the cursor that makes the clients take turns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursor = 0
        statement = database.statement
        self._clients = statement(_CLIENTS)
        self._head = statement(_HEAD)
        self._heads = statement(_HEADS_LATERAL.format(skip_locked=database.dialect.skip_locked))
        self._take = statement(_TAKE_SEQUENCE if database.dialect.run_ids_from_sequence else _TAKE_NUMBERED)
        self._own = statement(_OWN)
        self._reserve = statement(
            "UPDATE settings SET value = CAST(value AS INTEGER) + :count WHERE name = 'last_run_id' "
            "RETURNING CAST(value AS INTEGER)"
        )

    def take(self, connection: Connection, capacity: Capacity, now: datetime) -> Taken:
        """Claims up to `capacity.free` jobs for the node, by hand started ones first."""
        taken = Taken()
        limits = Limits(self._database, connection, capacity)
        found = [(row[0], row[1]) for row in connection.exec_driver_sql(_LANES)]
        for ready in (Ready.BY_HAND, Ready.QUEUED):
            free = capacity.free - len(taken.claims)
            if free <= 0 or (ready == Ready.QUEUED and not capacity.autostart):
                break
            lanes = self._lanes_for([name for level, name in found if level == ready], capacity, limits)
            if not lanes:
                continue
            chosen, clients = self._choose(connection, ready, lanes, free, capacity, limits, taken)
            if chosen:
                taken.claims += self._claim(connection, chosen, clients, capacity, now)
        taken.contended = limits.contended
        return taken

    def take_one(self, connection: Connection, job_id: int, capacity: Capacity, now: datetime) -> Claim | None:
        """Claims this waiting job, whatever else would come first; None when it does not wait or has no login."""
        connection.exec_driver_sql(
            self._database.statement(
                "UPDATE jobs SET ready = 2, active = (1 = 1) WHERE id = :id AND status = 'waiting' "
                "AND client_id IN (SELECT id FROM clients WHERE login IS NOT NULL)"
            ),
            {"id": job_id},
        )
        row = connection.exec_driver_sql(
            self._database.statement(
                "SELECT j.priority, j.position, j.task, j.node_id, c.id, c.name, c.login FROM jobs j "
                "JOIN clients c ON c.id = j.client_id WHERE j.id = :id AND j.ready = 2 AND c.login IS NOT NULL"
            ),
            {"id": job_id},
        ).first()
        if row is None:
            return None
        head = Head(job_id, row.id, row.priority, row.position, row.task, row.node_id, "")
        return next(iter(self._claim(connection, [head], {row.id: row}, capacity, now)), None)

    def own(self, connection: Connection, node: int) -> list[Claim]:
        """Every claim that the database says the node holds: read back after a commit whose fate is unknown."""
        rows = connection.exec_driver_sql(self._own, {"node": node}).all()
        names = _client_names(connection, {row.client_id for row in rows})
        return [_claim(row, names[row.client_id], read_instant(row.started_at)) for row in rows]

    @staticmethod
    def _lanes_for(found: list[str], capacity: Capacity, limits: Limits) -> list[str]:
        mine = []
        for name in found:
            task, node_id = split_lane(name)
            if node_id not in (None, capacity.node_id):
                continue
            if node_id is None and capacity.only_own_jobs:
                continue
            if task and task not in capacity.limits:
                continue
            mine.append(name)
        limits.lock({split_lane(name)[0] for name in mine} - {""})
        return [name for name in mine if limits.room(split_lane(name)[0]) > 0]

    def _choose(
        self,
        connection: Connection,
        ready: int,
        lanes: list[str],
        free: int,
        capacity: Capacity,
        limits: Limits,
        taken: Taken,
    ) -> tuple[list[Head], dict[int, Any]]:
        clients = self._clients_in(connection, ready, lanes, free)
        limits.lock_clients(clients.values())
        chosen: list[Head] = []
        # A quota per client keeps the price flat with many clients; what one client leaves over, a second
        # round gives to the others.
        for quota in (-(-free // max(len(clients), 1)), free):
            heads = self._read_heads(connection, ready, lanes, clients, quota, capacity, taken)
            chosen = self._merge(heads, clients, free, limits)
            if len(chosen) == free or quota == free:
                break
        if chosen:
            self._cursor = chosen[-1].client_id
        return chosen, clients

    def _clients_in(self, connection: Connection, ready: int, lanes: list[str], most: int) -> dict[int, Any]:
        clients: dict[int, Any] = {}
        for name in lanes:
            for after in (self._cursor, 0):
                rows = connection.exec_driver_sql(
                    self._clients, {"ready": ready, "lane": name, "after": after, "most": most}
                ).all()
                clients.update((row.id, row) for row in rows)
                if len(rows) >= most or after == 0 or self._cursor == 0:
                    break
        return clients

    def _read_heads(
        self,
        connection: Connection,
        ready: int,
        lanes: list[str],
        clients: Mapping[int, Any],
        quota: int,
        capacity: Capacity,
        taken: Taken,
    ) -> dict[int, list[Head]]:
        heads: dict[int, list[Head]] = {}
        for name in lanes:
            for row in self._rows(connection, ready, name, list(clients), quota):
                head = Head(row.id, row.client_id, row.priority, row.position, row.task, row.node_id, name)
                proper = _proper_lane(head, capacity)
                if proper != name:
                    taken.filed += self._file(connection, ready, head, proper)
                else:
                    heads.setdefault(head.client_id, []).append(head)
        for mine in heads.values():
            mine.sort(key=Head.order)
        return heads

    def _rows(
        self, connection: Connection, ready: int, name: str, client_ids: list[int], quota: int
    ) -> Iterable[Any]:
        if self._database.dialect.lateral:
            parameters = {"ready": ready, "lane": name, "client_ids": client_ids, "quota": quota}
            return connection.exec_driver_sql(self._heads, parameters).all()
        rows: list[Any] = []
        for client_id in client_ids:
            parameters = {"ready": ready, "lane": name, "client_id": client_id, "quota": quota}
            rows += connection.exec_driver_sql(self._head, parameters).all()
        return rows

    def _file(self, connection: Connection, ready: int, head: Head, proper: str) -> int:
        """Moves the client's jobs like this one, which a plain INSERT left in the common lane, to their own."""
        return connection.exec_driver_sql(
            self._database.statement(
                """
                UPDATE jobs SET lane = :proper WHERE id IN (
                  SELECT id FROM jobs WHERE ready = :ready AND lane = :lane AND client_id = :client_id
                    AND task = :task AND (node_id IS NULL) = :unpinned
                  ORDER BY priority DESC, position, id LIMIT :most)
                """
            ),
            {
                "proper": proper,
                "ready": ready,
                "lane": head.lane,
                "client_id": head.client_id,
                "task": head.task,
                "unpinned": head.node_id is None,
                "most": FILING_BATCH if head.node_id is None else 1,
            },
        ).rowcount

    def _merge(
        self, heads: dict[int, list[Head]], clients: Mapping[int, Any], free: int, limits: Limits
    ) -> list[Head]:
        """One job of each client in turn, beginning behind the client that was served last."""
        limits.reset()
        turn = sorted(heads, key=lambda client_id: (client_id <= self._cursor, client_id))
        queues = {client_id: iter(heads[client_id]) for client_id in turn}
        chosen: list[Head] = []
        while turn and len(chosen) < free:
            for client_id in list(turn):
                head = next((head for head in queues[client_id] if limits.take(head, clients)), None)
                if head is None:
                    turn.remove(client_id)
                else:
                    chosen.append(head)
                    if len(chosen) == free:
                        break
        return chosen

    def _claim(
        self,
        connection: Connection,
        chosen: list[Head],
        clients: Mapping[int, Any],
        capacity: Capacity,
        now: datetime,
    ) -> list[Claim]:
        ids = [head.id for head in chosen]
        parameters: dict[str, Any] = {"node": capacity.node, "now": self._database.instant(now)}
        if self._database.dialect.run_ids_from_sequence:
            parameters["ids"] = ids
        else:
            last = connection.exec_driver_sql(self._reserve, {"count": len(ids)}).scalar_one()
            parameters |= {"ids": json.dumps(ids), "first": last - len(ids) + 1}
        rows = connection.exec_driver_sql(self._take, parameters).all()
        order = {job_id: number for number, job_id in enumerate(ids)}
        rows = sorted(rows, key=lambda row: order[row.id])
        return [_claim(row, clients[row.client_id], now) for row in rows]


def _proper_lane(head: Head, capacity: Capacity) -> str:
    """Unlimited tasks that this node offers stand in the common lane; any other in one of its own."""
    common = head.task in capacity.limits and capacity.limits[head.task] is None
    if common and split_lane(head.lane)[0] == head.task:
        return head.lane  # filed by a node that doesn't offer it: no reason to move it back
    return lane("" if common else head.task, head.node_id)


def _client_names(connection: Connection, ids: set[int]) -> dict[int, Any]:
    rows = connection.exec_driver_sql("SELECT id, name, login FROM clients")
    return {row.id: row for row in rows if row.id in ids}


def _claim(row: Any, client: Any, started_at: datetime | None) -> Claim:
    if started_at is None:
        raise ValueError(f"job {row.id} is claimed but was never started")
    return Claim(
        run_id=row.claim,
        job_id=row.id,
        client_id=row.client_id,
        client=client.name,
        login=client.login or "",
        task=row.task,
        title=row.title,
        data=load_json(row.data),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        crashes=row.crashes,
        started_at=started_at,
        due_at=read_instant(row.due_at),
        cron_entry_id=row.cron_entry_id,
        checkpoint=load_json(row.checkpoint),
    )
