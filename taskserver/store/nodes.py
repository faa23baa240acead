"""Nodes: who is alive, what they offer, and what becomes of the jobs of one that died."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from taskserver.database import PATIENT, Database, Patience
from taskserver.database.schema import clients, jobs, nodes, tasks
from taskserver.jobs import OnCrash, Outcome, Status
from taskserver.log_fields import about
from taskserver.store.errors import NodeNotFound
from taskserver.store.outcomes import Outcomes
from taskserver.store.rows import OF_TASK, as_dict, claim_of
from taskserver.store.wakeup import wake_sockets

log = logging.getLogger("taskserver.store")


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What a daemon tells about itself when it starts."""

    node_id: str
    boot_id: str
    pid: int
    version: str
    slots: int
    lease: timedelta
    control_socket: Path | None
    only_own_jobs: bool


class Nodes:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._outcomes = Outcomes(database)

    def register(self, node: NodeIdentity, offered: Sequence[dict[str, Any]]) -> int:
        """Enters the node and publishes its tasks (rows of `tasks`); returns the node's row id."""
        with self._database.write() as connection:
            now = self._database.now()
            inserted = insert(nodes).values(
                node_id=node.node_id,
                boot_id=node.boot_id,
                pid=node.pid,
                version=node.version,
                slots=node.slots,
                tasks=sorted(task["name"] for task in offered),
                control_socket=str(node.control_socket) if node.control_socket else None,
                only_own_jobs=node.only_own_jobs,
                started_at=now,
                heartbeat_at=now,
                lease_seconds=node.lease.total_seconds(),
            )
            row_id: int = connection.execute(inserted.returning(nodes.c.id)).scalar_one()
            self._publish(connection, offered)
        return row_id

    def publish(self, row_id: int, offered: Sequence[dict[str, Any]], *, slots: int) -> None:
        """After a reload: what the node offers now."""
        with self._database.write() as connection:
            names = sorted(task["name"] for task in offered)
            connection.execute(update(nodes).where(nodes.c.id == row_id).values(tasks=names, slots=slots))
            self._publish(connection, offered)

    def _publish(self, connection: Connection, offered: Sequence[dict[str, Any]]) -> None:
        for task in offered:
            values = {**task, "published_at": self._database.now()}
            changed = connection.execute(update(tasks).where(tasks.c.name == task["name"]).values(values))
            if changed.rowcount == 0:
                connection.execute(insert(tasks).values(values))

    def leave(self, row_id: int) -> None:
        """The node has ended as it should."""
        with self._database.write() as connection:
            now = self._database.now()
            connection.execute(update(nodes).where(nodes.c.id == row_id).values(ended_at=now, heartbeat_at=now))

    def rescue(self, mine: int, *, predecessors_are_dead: bool, patience: Patience = PATIENT) -> int:
        """Gives back the jobs of nodes that died; returns how many.

        A node is dead when its lease has passed since its last heartbeat, when it said goodbye, or when the
        caller holds the lock that only one daemon of its name can hold (`predecessors_are_dead`: every earlier
        row with the same node_id). A run of a dead node is recorded as lost.
        """
        with self._database.write(patience=patience) as connection:
            dead = self._dead_rows(connection, mine, predecessors_are_dead=predecessors_are_dead)
            rescued = 0
            if predecessors_are_dead:
                self._bury_predecessors(connection, mine)
            for row in dead:
                rescued += self._rescue_from(connection, row)
            return rescued

    def _bury_predecessors(self, connection: Connection, mine: int) -> None:
        """They died without a goodbye: nobody must take them for alive until their lease is over."""
        name = select(nodes.c.node_id).where(nodes.c.id == mine).scalar_subquery()
        same = nodes.c.id != mine if self._database.dialect.one_writer else (nodes.c.node_id == name)
        connection.execute(
            update(nodes)
            .where(same, nodes.c.id != mine, nodes.c.ended_at.is_(None))
            .values(ended_at=self._database.now())
        )

    def _dead_rows(self, connection: Connection, mine: int, *, predecessors_are_dead: bool) -> list[Any]:
        now = self._database.now()
        me = connection.execute(select(nodes.c.node_id).where(nodes.c.id == mine)).scalar()
        claiming = connection.execute(
            select(jobs.c.claimed_by).where(jobs.c.claim.is_not(None), jobs.c.claimed_by != mine).distinct()
        )
        ids = [row.claimed_by for row in claiming]
        rows = connection.execute(select(nodes).where(nodes.c.id.in_(ids))).all()
        return [
            row
            for row in rows
            if row.ended_at is not None
            or (predecessors_are_dead and (row.node_id == me or self._database.dialect.one_writer))
            or now - row.heartbeat_at > timedelta(seconds=row.lease_seconds)
        ]

    def _rescue_from(self, connection: Connection, node: Any) -> int:
        rows = connection.execute(
            select(
                jobs,
                tasks.c.max_crashes,
                tasks.c.on_crash,
                *OF_TASK,
                clients.c.name.label("client"),
                clients.c.login,
            )
            .outerjoin(tasks, tasks.c.name == jobs.c.task)
            .join(clients, clients.c.id == jobs.c.client_id)
            .where(jobs.c.claim.is_not(None), jobs.c.claimed_by == node.id)
        ).all()
        for row in rows:
            self._lose(connection, node, row)
        if rows:
            log.warning("node %s (pid %s) died: its jobs (%d) are given back", node.node_id, node.pid, len(rows))
        return len(rows)

    def _lose(self, connection: Connection, node: Any, row: Any) -> None:
        """running -> waiting | failed, stopping -> stopped; the run ends as lost."""
        crashes = row.crashes + 1
        most = 3 if row.max_crashes is None else row.max_crashes
        too_often = crashes >= most
        text = f"the node {node.node_id} died while the job ran, time {crashes} of at most {most}"
        if row.status == Status.STOPPING:
            after = Outcome.lost(text, job_status=Status.STOPPED)
        elif row.on_crash == OnCrash.FAIL or too_often:
            after = Outcome.lost(text, job_status=Status.FAILED)
        else:
            after = Outcome.lost(text, job_status=Status.WAITING)
        claim = claim_of(row)
        if self._outcomes.apply(connection, [(claim, after)], node.node_id, self._database.now()):
            told = "run %d of job %d is lost: %s; the job is %s now"
            log.warning(told, claim.run_id, claim.job_id, text, after.job_status, extra=about(claim))
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(crashes=crashes))

    def find(self) -> list[dict[str, Any]]:
        """Every node that has not said goodbye, the newest first, with `alive` by its lease and `busy` slots."""
        claimed = (
            select(jobs.c.claimed_by, func.count().label("busy"))
            .where(jobs.c.claim.is_not(None))
            .group_by(jobs.c.claimed_by)
        )
        with self._database.read() as connection:
            now = self._database.now()
            rows = connection.execute(
                select(nodes).where(nodes.c.ended_at.is_(None)).order_by(nodes.c.id.desc()).limit(1000)
            ).all()
            busy = {row.claimed_by: row.busy for row in connection.execute(claimed)} if rows else {}
        return [
            {
                **as_dict(row),
                "alive": now - row.heartbeat_at <= timedelta(seconds=row.lease_seconds),
                "busy": busy.get(row.id, 0),
            }
            for row in rows
        ]

    def set_claiming(self, row_id: int, claiming: bool) -> str:
        """Lets a node claim jobs, or nothing more, until it ends; its name. What it runs, it goes on running.

        Holds for every turn that begins after the commit. Raises NodeNotFound, also for one that has ended.
        """
        with self._database.write() as connection:
            changed = connection.execute(
                update(nodes)
                .where(nodes.c.id == row_id, nodes.c.ended_at.is_(None))
                .values(claiming=claiming)
                .returning(nodes.c.node_id)
            ).scalar()
        if changed is None:
            raise NodeNotFound(id=row_id)
        return str(changed)

    def alive(self) -> list[dict[str, Any]]:
        return [node for node in self.find() if node["alive"]]

    def forget(self, older_than: timedelta) -> int:
        """Removes nodes that are gone for longer than that and hold nothing any more."""
        with self._database.write() as connection:
            limit = self._database.now() - older_than
            held = select(jobs.c.claimed_by).where(jobs.c.claim.is_not(None))
            return connection.execute(
                delete(nodes).where(nodes.c.heartbeat_at < limit, nodes.c.id.not_in(held))
            ).rowcount

    def wake(self) -> None:
        """Tells every node on this machine that there is work; one that can't be reached will find it itself."""
        wake_sockets([node["control_socket"] for node in self.alive() if node["control_socket"]])
