"""Queues the due cron entries of one turn: inserts the jobs, advances the entries, records what was missed.

What is due, missed or skipped is decided by `plan`, a pure function; the rest writes it down.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, or_, select, update

from taskserver.cron import InvalidSchedule, InvalidTimeZone, Schedule, check_time_zone, parse
from taskserver.database import Database
from taskserver.database.schema import jobs, missed_runs, tasks
from taskserver.jobs import LIVE, Misfire, Overlap, Ready, Status

log = logging.getLogger("taskserver.cron")

BATCH = 500
MOST_MISSED = 10_000
"""How many due times one look counts; what lies further back waits for the next look."""

ON_TIME = timedelta(seconds=90)
"""An occurrence found later than this after its due time was missed: the policy `misfire` decides."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at one entry leads to."""

    queue: list[datetime]
    next_run_at: datetime | None
    missed: list[datetime] = field(default_factory=list)
    skipped: list[datetime] = field(default_factory=list)


def plan(due: list[datetime], next_run_at: datetime | None, *, now: datetime, misfire: str, blocked: bool) -> Plan:
    """Which of the `due` times (ascending, none after `now`) become jobs.

    The newest is on time if it is younger than ON_TIME; all others were missed. `misfire` decides about those;
    `blocked` (an earlier job has not ended and overlap is `skip`) drops the one that is on time.
    """
    late = [at for at in due if now - at > ON_TIME]
    fresh = due[len(late) :]
    if misfire == Misfire.ALL:
        queue = late if blocked else due
        return Plan(queue, next_run_at, skipped=due[len(queue) :])
    queue = (fresh if misfire == Misfire.SKIP else due)[-1:]
    missed = due[: len(due) - len(queue)]
    if blocked:
        return Plan([], next_run_at, missed, skipped=queue)
    return Plan(queue, next_run_at, missed)


class Occurrences:
    """The dispatcher's step that turns due cron entries into jobs."""

    def __init__(self, database: Database, default_zone: ZoneInfo) -> None:
        self._database = database
        self._zone = default_zone

    def queue_due(self, connection: Connection, now: datetime) -> int:
        """Queues what is due, at most BATCH entries; returns how many entries were looked at."""
        entries = connection.execute(
            select(jobs)
            .where(
                jobs.c.type == "interval",
                jobs.c.active,
                or_(jobs.c.next_run_at <= now, jobs.c.next_run_at.is_(None)),
            )
            .order_by(jobs.c.next_run_at)
            .limit(BATCH)
        ).all()
        if not entries:
            return 0
        live = self._with_live_job(connection, [entry.id for entry in entries])
        for entry in entries:
            self._advance(connection, entry, now, live=entry.id in live)
        return len(entries)

    def release_held(self, connection: Connection) -> int:
        """Frees the first held job of each cron entry of which nothing else is on its way any more."""
        held = select(jobs.c.cron_entry_id).where(jobs.c.ready == Ready.HELD).distinct().subquery()
        freed = 0
        for (entry_id,) in connection.execute(select(held.c.cron_entry_id)).all():
            busy = connection.execute(
                select(jobs.c.id)
                .where(
                    jobs.c.cron_entry_id == entry_id,
                    jobs.c.status.in_(LIVE),
                    or_(jobs.c.ready.is_(None), jobs.c.ready != Ready.HELD),
                )
                .limit(1)
            ).first()
            if busy:
                continue
            first = (
                select(jobs.c.id)
                .where(jobs.c.cron_entry_id == entry_id, jobs.c.ready == Ready.HELD)
                .order_by(jobs.c.due_at)
                .limit(1)
                .scalar_subquery()
            )
            freed += connection.execute(update(jobs).where(jobs.c.id == first).values(ready=Ready.QUEUED)).rowcount
        return freed

    @staticmethod
    def _with_live_job(connection: Connection, entry_ids: list[int]) -> set[int]:
        rows = connection.execute(
            select(jobs.c.cron_entry_id).where(jobs.c.cron_entry_id.in_(entry_ids), jobs.c.status.in_(LIVE))
        )
        return {row.cron_entry_id for row in rows}

    def _advance(self, connection: Connection, entry: Any, now: datetime, *, live: bool) -> None:
        try:
            schedule = parse(entry.cron_spec)
            zone = check_time_zone(entry.time_zone) if entry.time_zone else self._zone
        except (InvalidSchedule, InvalidTimeZone) as error:
            # Only a plain INSERT or UPDATE can bring it here; our own interfaces refuse it.
            log.error("cron entry %s (%s) is switched off: %s", entry.id, entry.name, error)
            self._move(connection, entry, {"active": False, "error": str(error)})
            return
        if entry.next_run_at is None:
            first = schedule.next_after(now, zone)
            if first is None:
                log.error("cron entry %s (%s) is switched off: it never fires", entry.id, entry.name)
                self._move(connection, entry, {"active": False, "error": "the schedule never fires"})
            else:
                self._move(connection, entry, {"next_run_at": first})
            return
        before = entry.next_run_at - timedelta(microseconds=1)
        due = schedule.between(before, now, zone, MOST_MISSED)
        if len(due) == MOST_MISSED and entry.misfire != Misfire.ALL:
            due = due[:-1] + _newest(schedule, now, zone)
        # A schedule that was changed by plain SQL need not contain the instant that was noted.
        later = schedule.next_after(max(due[-1], entry.next_run_at) if due else now, zone)
        decided = plan(due, later, now=now, misfire=entry.misfire, blocked=live and entry.overlap == Overlap.SKIP)
        values: dict[str, Any] = {"next_run_at": later} if later else {"active": False, "next_run_at": None}
        if decided.queue:
            values["last_run_at"] = now
        if not self._move(connection, entry, values):
            return  # another node was here
        self._queue(connection, entry, decided.queue, held=live)
        for reason, times in (("misfire", decided.missed), ("overlap", decided.skipped)):
            if times:
                self._record_missed(connection, entry, reason, times, now)

    @staticmethod
    def _move(connection: Connection, entry: Any, values: dict[str, Any]) -> bool:
        same = (
            jobs.c.next_run_at.is_(None) if entry.next_run_at is None else jobs.c.next_run_at == entry.next_run_at
        )
        return connection.execute(update(jobs).where(jobs.c.id == entry.id, same).values(values)).rowcount == 1

    def _queue(self, connection: Connection, entry: Any, times: list[datetime], *, held: bool) -> None:
        for number, due_at in enumerate(times):
            self.insert_job(connection, entry, due_at=due_at, ready=Ready.HELD if held or number else Ready.QUEUED)

    def insert_job(self, connection: Connection, entry: Any, *, due_at: datetime | None, ready: int) -> int | None:
        """Inserts one job of the entry; None when this due time has been queued already."""
        if due_at is not None and self._queued_before(connection, entry.id, due_at):
            return None
        values = {
            "client_id": entry.client_id,
            "type": "once",
            "cron_entry_id": entry.id,
            "due_at": due_at,
            "task": entry.task,
            "title": entry.title,
            "description": entry.description,
            "data": entry.data,
            "node_id": entry.node_id,
            "priority": entry.priority,
            "max_attempts": entry.max_attempts,
            "status": Status.WAITING,
            "ready": ready,
            "lane": lane_for(connection, entry.task, entry.node_id),
            "created_at": self._database.now(),
            "created_by": f"cron entry {entry.name}",
        }
        job_id: int = connection.execute(insert(jobs).values(values).returning(jobs.c.id)).scalar_one()
        return job_id

    @staticmethod
    def _queued_before(connection: Connection, entry_id: int, due_at: datetime) -> bool:
        found = connection.execute(
            select(jobs.c.id).where(jobs.c.cron_entry_id == entry_id, jobs.c.due_at == due_at)
        ).first()
        return found is not None

    @staticmethod
    def _record_missed(
        connection: Connection, entry: Any, reason: str, times: list[datetime], now: datetime
    ) -> None:
        log.warning(
            "cron entry %s (%s): %d due times missed (%s), first %s",
            entry.id,
            entry.name,
            len(times),
            reason,
            times[0],
        )
        connection.execute(
            insert(missed_runs).values(
                cron_entry_id=entry.id,
                reason=reason,
                first_due_at=times[0],
                last_due_at=times[-1],
                count=len(times),
                at=now,
            )
        )


def _newest(schedule: Schedule, now: datetime, zone: ZoneInfo) -> list[datetime]:
    """The newest due time up to `now`, without walking through all that were missed."""
    for days in (1, 32, 367):
        times = schedule.between(now - timedelta(days=days), now, zone, 100_000)
        if times:
            return times[-1:]
    return []


def lane_for(connection: Connection, task: str, node_id: str | None) -> str:
    """Where a job stands: '' normally, the task's name where it has a limit, `@node` behind it for one node."""
    limited = connection.execute(
        select(tasks.c.name).where(tasks.c.name == task, tasks.c.max_parallel.is_not(None))
    ).scalar()
    return lane(task if limited else "", node_id)


def lane(task: str, node_id: str | None) -> str:
    return f"{task}@{node_id}" if node_id else task


def split_lane(name: str) -> tuple[str, str | None]:
    """The task's name ('' where it has no limit) and the node's (None where any may take it)."""
    task, at, node_id = name.rpartition("@")
    return (task, node_id) if at else (name, None)
