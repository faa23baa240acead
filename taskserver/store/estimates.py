"""What earlier runs tell about later ones: how long a task takes, and how an entry's last runs ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import func, literal, select

from taskserver.database import Database
from taskserver.database.schema import jobs, runs
from taskserver.store.rows import as_dict

LOOKED_AT = 3000
"""Among so many of the newest runs a task's durations are looked for: a look at the end of the table, or of some
clients' runs."""

OUTCOMES = 10
_SHOWN = ("id", "job_id", "cron_entry_id", "status", "reason", "error", "started_at", "finished_at")

Row = dict[str, Any]


class Estimates:
    """`store.estimates`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def durations(self, *, visible: Collection[int] | None = None) -> dict[str, timedelta]:
        """The median duration of each task's latest finished runs; a task that has none is missing.

        `visible`: ids of clients whose runs count; others' tell nobody anything.
        """
        latest = select(runs.c.task, runs.c.status, runs.c.started_at, runs.c.finished_at)
        if visible is None:
            queries = [latest.order_by(runs.c.id.desc()).limit(LOOKED_AT)]
        else:
            by_end = latest.order_by(runs.c.finished_at.desc(), runs.c.id.desc())
            share = max(LOOKED_AT // max(len(visible), 1), 1)
            queries = [by_end.where(runs.c.client_id == client_id).limit(share) for client_id in sorted(visible)]
        found: dict[str, list[float]] = {}
        with self._database.read() as connection:
            for row in (row for query in queries for row in connection.execute(query)):
                if row.status == "finished" and row.started_at is not None and row.finished_at is not None:
                    found.setdefault(row.task, []).append((row.finished_at - row.started_at).total_seconds())
        return {task: timedelta(seconds=median(seconds)) for task, seconds in found.items()}

    def last_outcomes(self, entry_ids: Sequence[int]) -> dict[int, list[Row]]:
        """The last ten runs of each entry, the newest first; an entry that never ran is missing."""
        newest = runs.alias("newest")
        columns = [newest.c[name] for name in _SHOWN]
        mine = select(*columns).where(newest.c.cron_entry_id == jobs.c.id).order_by(newest.c.id.desc())
        if self._database.dialect.lateral:
            # A subquery for each entry, whatever the planner thinks of the table.
            few = mine.limit(OUTCOMES).lateral("few")
            query = select(few).select_from(jobs).join(few, literal(True))
        else:
            tenth = mine.with_only_columns(newest.c.id).limit(1).offset(OUTCOMES - 1).scalar_subquery()
            is_new = (runs.c.cron_entry_id == jobs.c.id) & (runs.c.id >= func.coalesce(tenth, literal(0)))
            query = select(*(runs.c[name] for name in _SHOWN)).select_from(jobs).join(runs, is_new)
        query = query.where(jobs.c.id.in_(list(entry_ids)))
        found: dict[int, list[Row]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.cron_entry_id, []).append(as_dict(row))
        return {entry: sorted(ended, key=lambda run: -run["id"]) for entry, ended in found.items()}


def time_left(
    *, started_at: datetime | None, progress: float | None, usual: timedelta | None, now: datetime
) -> timedelta | None:
    """How long a running job may still take: by its progress where it has made some, else by earlier runs.

    None: nobody can tell. Zero: it takes longer than usual.
    """
    if started_at is None:
        return None
    gone = now - started_at
    if progress is not None and 0 < progress <= 100 and gone > timedelta(0):
        return gone * ((100 - progress) / progress)
    return None if usual is None else max(usual - gone, timedelta(0))
