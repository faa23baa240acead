"""What has changed about jobs since a moment: for those who look again and again, without a look at every job.

Nothing is written down for them: the claims that there are, the jobs that ended lately, the newest numbers and
the audit tell enough, and each is a short look into an index. Commits come a little out of order, so that every
look goes back some seconds; whoever asks leaves aside what they know already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select, text

from taskserver.database import Database
from taskserver.database.schema import audit, jobs
from taskserver.jobs import Status
from taskserver.store.reading import Reading, as_job

OVERLAP = timedelta(seconds=5)
WINDOW = 1000
WINDOWS = 50
"""The newest numbers are looked at in so many windows at most, until one reaches back to the moment."""

MOST = 500
"""Beyond so many changes at once it is better to read the list again."""

# Literally as in the index.
_ENDED = "jobs.status IN ('stopped', 'finished', 'failed')"

_ACTIONS = [f"job.{verb}" for verb in ("start", "stop", "kill", "delete", "move")]
_SWEEPS = ["job.delete_finished", "job.delete_all"]
_SWEPT = None
"""What the audit has in place of the numbers of many that were deleted at once."""

Row = dict[str, Any]


@dataclass(slots=True)
class Changed:
    """Jobs that have changed, perhaps: as `store.jobs.get` has them, and the numbers of those that are gone."""

    until: datetime
    rows: list[Row] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    too_many: bool = False


class Changes:
    """`store.changes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(
        self, moment: datetime, *, known: Collection[int] = (), visible: Collection[int] | None = None
    ) -> Changed:
        """`known`: numbers of jobs to look at as well. `visible`: ids of the only clients that are looked at."""
        seen: list[ColumnElement[bool]] = [] if visible is None else [jobs.c.client_id.in_(list(visible))]
        with self._database.read() as connection:
            changed = Changed(self._database.now())
            ids = {
                *_ids(connection, text("jobs.claim IS NOT NULL"), *seen),
                *_ids(connection, text("jobs.ready = 2"), *seen),
                *self._ended(connection, moment - OVERLAP, seen),
            }
            queued = self._queued(connection, moment - OVERLAP, seen)
            touched = self._touched(connection, moment - OVERLAP, visible)
            if queued is None or touched is None or _SWEPT in touched:
                changed.too_many = True
                return changed
            wanted = {*ids, *queued, *touched, *known}
            changed.too_many = len(wanted - set(known)) > MOST
            if changed.too_many:
                return changed
            query = Reading.select_jobs().where(jobs.c.id.in_(wanted), jobs.c.type == "once", *seen)
            changed.rows = [as_job(row) for row in connection.execute(query)]
        there = {row["id"] for row in changed.rows}
        changed.gone = sorted({*known, *touched} - there)
        return changed

    @staticmethod
    def _ended(connection: Connection, moment: datetime, seen: list[ColumnElement[bool]]) -> set[int]:
        found: set[int] = set()
        for status in (Status.STOPPED, Status.FINISHED, Status.FAILED):
            lately = (text(f"jobs.status = '{status}' AND {_ENDED}"), jobs.c.ended_at >= moment)
            found |= _ids(connection, *lately, *seen)
        return found

    @staticmethod
    def _queued(connection: Connection, moment: datetime, seen: list[ColumnElement[bool]]) -> set[int] | None:
        mine = select(jobs.c.id).where(jobs.c.type == "once", jobs.c.created_at >= moment, *seen)
        return _lately(connection, mine, jobs.c.id, jobs.c.created_at, moment)

    @staticmethod
    def _touched(connection: Connection, moment: datetime, visible: Collection[int] | None) -> set[Any] | None:
        """Jobs with which the console did something, also those that it has deleted; _SWEPT for many at once."""
        of_all = audit.c.client_id.is_(None) & audit.c.job_id.is_(_SWEPT)
        seen = [] if visible is None else [audit.c.client_id.in_(list(visible)) | of_all]
        is_one = audit.c.action.in_(_ACTIONS) & audit.c.job_id.is_not(_SWEPT)
        mine = select(audit.c.job_id).where(audit.c.at >= moment, is_one | audit.c.action.in_(_SWEEPS), *seen)
        return _lately(connection, mine, audit.c.id, audit.c.at, moment)


def _ids(connection: Connection, *conditions: Any) -> set[int]:
    return set(connection.execute(select(jobs.c.id).where(*conditions).limit(MOST + 1)).scalars())


def _lately(
    connection: Connection, wanted: Select[Any], numbers: Column[int], times: Column[datetime], moment: datetime
) -> set[Any] | None:
    """What is wanted of the newest rows, back to the moment, however many of others stand between.

    None: they reach further back than anybody would look.
    """
    found: set[Any] = set()
    upper = connection.execute(select(func.max(numbers))).scalar() or 0
    for _ in range(WINDOWS):
        lower = upper - WINDOW
        window = wanted.where(numbers > lower, numbers <= upper)
        found |= set(connection.execute(window.limit(MOST + 1)).scalars())
        before = select(times).where(numbers <= lower).order_by(numbers.desc()).limit(1)
        oldest = connection.execute(before).scalar()
        if oldest is None or oldest < moment or len(found) > MOST:
            return found
        upper = lower
    return None
