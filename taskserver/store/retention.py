"""Which ended jobs leave `jobs`: by number or by age, whichever comes first. Stopped ones stay, runs stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from taskserver.database import PATIENT, Database, Patience
from taskserver.database.schema import jobs
from taskserver.jobs import Status

BATCH = 500


@dataclass(frozen=True, slots=True)
class Keep:
    """How many jobs of one status to keep, and for how long; None: no limit."""

    count: int | None
    age: timedelta | None


class Retention:
    def __init__(self, database: Database) -> None:
        self._database = database

    def prune(self, status: Status, keep: Keep, *, patience: Patience = PATIENT) -> int:
        """Removes at most BATCH jobs of that status which are too many or too old; returns how many.

        Call again while it returns BATCH: short transactions let the dispatcher in between.
        """
        with self._database.write(patience=patience) as connection:
            limits: list[ColumnElement[bool]] = []
            if keep.age is not None:
                limits.append(jobs.c.ended_at < self._database.now() - keep.age)
            if keep.count is not None:
                limits.extend(self._beyond(connection, status, keep.count))
            if not limits:
                return 0
            doomed = (
                select(jobs.c.id).where(jobs.c.status == status, jobs.c.type == "once", or_(*limits)).limit(BATCH)
            )
            return connection.execute(delete(jobs).where(jobs.c.id.in_(doomed.scalar_subquery()))).rowcount

    @staticmethod
    def _beyond(connection: Connection, status: Status, count: int) -> list[ColumnElement[bool]]:
        """The condition for jobs that ended before the newest `count` ones."""
        newest_doomed = connection.execute(
            select(jobs.c.ended_at, jobs.c.id)
            .where(jobs.c.status == status, jobs.c.ended_at.is_not(None))
            .order_by(jobs.c.ended_at.desc(), jobs.c.id.desc())
            .offset(count)
            .limit(1)
        ).first()
        if newest_doomed is None:
            return []
        at, job_id = newest_doomed
        # A whole batch may have ended in one instant.
        return [jobs.c.ended_at < at, and_(jobs.c.ended_at == at, jobs.c.id <= job_id)]
