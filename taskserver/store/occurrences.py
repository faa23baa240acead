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

from taskserver.cron import InvalidSchedule, InvalidTimeZone, Schedule, check_time_zone, count_between, parse
from taskserver.database import Database
from taskserver.database.schema import jobs, missed_runs, tasks
from taskserver.jobs import LIVE, Misfire, Overlap, Ready, Status
from taskserver.log_fields import about_task

log = logging.getLogger("taskserver.cron")

BATCH = 500
MOST_MISSED = 10_000
"""How many due times one turn looks at. Of an entry that missed more, the others are only counted; what `misfire`
makes up for, and other entries, follow with the next turn."""

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
        """Queues what is due, at most BATCH entries; returns how many entries were looked at.

        After a long downtime it takes several turns, so that none of them keeps the database for long.
        """
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
        looked, times = 0, 0
        while looked < len(entries) and times < MOST_MISSED:
            entry = entries[looked]
            times += self._advance(connection, entry, now, live=entry.id in live)
            looked += 1
        return looked

    def release_held(self, connection: Connection) -> int:
        """Frees the first held job of each cron entry of which nothing else is on its way any more."""
        held = select(jobs.c.cron_entry_id).where(jobs.c.ready == Ready.HELD).distinct()
        return sum(release_next(connection, entry_id) for (entry_id,) in connection.execute(held).all())

    @staticmethod
    def _with_live_job(connection: Connection, entry_ids: list[int]) -> set[int]:
        rows = connection.execute(
            select(jobs.c.cron_entry_id).where(jobs.c.cron_entry_id.in_(entry_ids), jobs.c.status.in_(LIVE))
        )
        return {row.cron_entry_id for row in rows}

    def _advance(self, connection: Connection, entry: Any, now: datetime, *, live: bool) -> int:
        """Queues what is due of one entry and moves it on; returns how many due times there were."""
        try:
            schedule = parse(entry.cron_spec)
            zone = check_time_zone(entry.time_zone) if entry.time_zone else self._zone
        except (InvalidSchedule, InvalidTimeZone) as error:
            # Only a plain INSERT or UPDATE can bring it here; our own interfaces refuse it.
            text = "cron entry %s (%s) is switched off: %s"
            log.error(text, entry.id, entry.name, error, extra=about_task(entry.task))
            self._move(connection, entry, {"active": False, "error": str(error)})
            return 0
        if entry.next_run_at is None:
            first = schedule.next_after(now, zone)
            if first is None:
                text = "cron entry %s (%s) is switched off: it never fires"
                log.error(text, entry.id, entry.name, extra=about_task(entry.task))
                self._move(connection, entry, {"active": False, "error": "the schedule never fires"})
            else:
                self._move(connection, entry, {"next_run_at": first})
            return 0
        before = entry.next_run_at - timedelta(microseconds=1)
        most = BATCH if entry.misfire == Misfire.ALL else MOST_MISSED
        due = schedule.between(before, now, zone, most)
        uncounted = 0
        if len(due) == MOST_MISSED:
            uncounted = count_between(schedule, due[-1], now, zone)
            due = due[:-2] + _newest(schedule, now, zone)
        # A schedule that was changed by plain SQL need not contain the instant that was noted.
        later = schedule.next_after(max(due[-1], entry.next_run_at) if due else now, zone)
        decided = plan(due, later, now=now, misfire=entry.misfire, blocked=live and entry.overlap == Overlap.SKIP)
        values: dict[str, Any] = {"next_run_at": later} if later else {"active": False, "next_run_at": None}
        if decided.queue:
            values["last_run_at"] = now
        if not self._move(connection, entry, values):
            return len(due)  # another node was here
        self._queue(connection, entry, decided.queue, now, held=live)
        for reason, times, more in (("misfire", decided.missed, uncounted), ("overlap", decided.skipped, 0)):
            if times:
                self._record_missed(connection, entry, reason, times, now, more=more)
        return len(due)

    @staticmethod
    def _move(connection: Connection, entry: Any, values: dict[str, Any]) -> bool:
        same = (
            jobs.c.next_run_at.is_(None) if entry.next_run_at is None else jobs.c.next_run_at == entry.next_run_at
        )
        return connection.execute(update(jobs).where(jobs.c.id == entry.id, same).values(values)).rowcount == 1

    @staticmethod
    def _queue(connection: Connection, entry: Any, times: list[datetime], now: datetime, *, held: bool) -> None:
        """One job for each of the times; one that has been queued before is not queued again."""
        same_times = select(jobs.c.due_at).where(jobs.c.cron_entry_id == entry.id, jobs.c.due_at.in_(times))
        before = set(connection.execute(same_times).scalars()) if times else set()
        rows: list[dict[str, Any]] = []
        for due_at in times:
            if due_at not in before:
                ready = Ready.HELD if held or rows else Ready.QUEUED
                rows.append(_job(connection, entry, now, due_at=due_at, ready=ready))
        if rows:
            connection.execute(insert(jobs), rows)

    @staticmethod
    def _record_missed(
        connection: Connection, entry: Any, reason: str, times: list[datetime], now: datetime, *, more: int
    ) -> None:
        """`more` are those between the first and the last of `times` that are not among them."""
        log.warning(
            "cron entry %s (%s): %d due times missed (%s), first %s",
            entry.id,
            entry.name,
            len(times) + more,
            reason,
            times[0],
            extra=about_task(entry.task),
        )
        connection.execute(
            insert(missed_runs).values(
                cron_entry_id=entry.id,
                reason=reason,
                first_due_at=times[0],
                last_due_at=times[-1],
                count=len(times) + more,
                at=now,
            )
        )


def insert_by_hand(connection: Connection, entry: Any, now: datetime) -> int:
    """Inserts one job of the entry that belongs to no due time and comes before all others."""
    values = _job(connection, entry, now, due_at=None, ready=Ready.BY_HAND)
    job_id: int = connection.execute(insert(jobs).values(values).returning(jobs.c.id)).scalar_one()
    return job_id


def _job(
    connection: Connection, entry: Any, now: datetime, *, due_at: datetime | None, ready: int
) -> dict[str, Any]:
    return {
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
        "created_at": now,
        "created_by": f"cron entry {entry.name}",
    }


def release_next(connection: Connection, entry_id: int) -> int:
    """Frees the first held job of a cron entry unless another one of it is on its way; returns how many."""
    mine = jobs.c.cron_entry_id == entry_id
    on_its_way = or_(jobs.c.ready.is_(None), jobs.c.ready != Ready.HELD)
    if connection.execute(select(jobs.c.id).where(mine, jobs.c.status.in_(LIVE), on_its_way).limit(1)).first():
        return 0
    first = select(jobs.c.id).where(mine, jobs.c.ready == Ready.HELD).order_by(jobs.c.due_at).limit(1)
    freed = update(jobs).where(jobs.c.id == first.scalar_subquery()).values(ready=Ready.QUEUED)
    return connection.execute(freed).rowcount


def _newest(schedule: Schedule, now: datetime, zone: ZoneInfo) -> list[datetime]:
    """The newest two due times up to `now`, without walking through all that were missed."""
    for days in (1, 32, 367):
        times = schedule.between(now - timedelta(days=days), now, zone, 100_000)
        if times:
            return times[-2:]
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
