"""Figures about all that is stored, for whoever watches the server from outside.

What has ended is counted once: a `Tally` is brought up to date with the runs that came since, however many there
are. All else is asked anew, so whoever wants to know often keeps the answer for some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Float, func, literal_column, select

from taskserver.database import Database
from taskserver.database.schema import clients, jobs, missed_runs, runs

WINDOW = 50_000
"""So many runs are counted in one transaction: one over all would keep the file's log from being cleared."""

DURATIONS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)
WAITS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600)
"""Upper bounds in seconds."""

OUTCOMES = {"success": "finished", "failure": "failed"}
"""Words of older programs for the same outcome."""


@dataclass(slots=True)
class Spread:
    """How many seconds something took: a count for each bound, of what took no longer; in all; their sum."""

    within: list[int]
    count: int = 0
    total: float = 0.0

    def add(self, within: Sequence[int], count: int, total: float) -> None:
        self.within = [mine + more for mine, more in zip(self.within, within, strict=True)]
        self.count += count
        self.total += total


@dataclass(slots=True)
class Tally:
    """What the runs came to so far. By task: their outcomes, and how long they ran, waited, were late for."""

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    durations: dict[str, Spread] = field(default_factory=dict)
    waits: dict[str, Spread] = field(default_factory=dict)
    lags: dict[str, Spread] = field(default_factory=dict)
    counted_to: int = 0
    """Every run up to this id is counted, but those that had not ended."""
    pending: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class JobFigure:
    """The jobs of one client in one status."""

    client: str
    status: str
    count: int
    waiting_since: datetime | None
    """Since when the oldest of them waits for a free slot; None: none does."""


@dataclass(frozen=True, slots=True)
class MissedFigure:
    client: str
    reason: str
    count: int


class Figures:
    """`store.figures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self) -> list[JobFigure]:
        """Every client and status that has jobs."""
        since = func.coalesce(jobs.c.next_run_at, jobs.c.created_at)
        query = (
            select(
                clients.c.name,
                jobs.c.status,
                func.count().label("number"),
                func.min(since).filter(jobs.c.ready > 0).label("since"),
            )
            .join(clients, clients.c.id == jobs.c.client_id, isouter=True)
            .where(jobs.c.type == "once")
            .group_by(clients.c.name, jobs.c.status)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [JobFigure(row.name or "", row.status, row.number, row.since) for row in rows]

    def clients(self) -> list[str]:
        """The names of all, also of those without a job: what is told of them does not come and go."""
        with self._database.read() as connection:
            return list(connection.execute(select(clients.c.name).order_by(clients.c.name)).scalars())

    def missed(self) -> list[MissedFigure]:
        """The due times that passed without a job of theirs, by client and reason."""
        query = (
            select(clients.c.name, missed_runs.c.reason, func.sum(missed_runs.c.count).label("number"))
            .select_from(missed_runs)
            .join(jobs, jobs.c.id == missed_runs.c.cron_entry_id, isouter=True)
            .join(clients, clients.c.id == jobs.c.client_id, isouter=True)
            .group_by(clients.c.name, missed_runs.c.reason)
        )
        with self._database.read() as connection:
            return [
                MissedFigure(row.name or "", row.reason, int(row.number))
                for row in connection.execute(query).all()
            ]

    def count_runs(self, tally: Tally) -> None:
        """Bring the tally up to date. One thread at a time.

        Runs are numbered when they begin and stored when they end, so those which have begun and not ended are
        kept in mind and looked for again.
        """
        self._count_pending(tally)
        while self._count_window(tally):
            pass

    def _count_pending(self, tally: Tally) -> None:
        if not tally.pending:
            return
        with self._database.read() as connection:
            # In this order: one that ends in between is still held, and looked for the next time.
            held = self._held(connection, 0, tally.counted_to)
            ended = set(connection.execute(select(runs.c.id).where(runs.c.id.in_(tally.pending))).scalars())
            ended -= held
            if ended:
                self._add(connection, tally, runs.c.id.in_(ended))
        tally.pending = (tally.pending - ended) & held  # what neither is held nor has ended has lost its claim

    def _count_window(self, tally: Tally) -> bool:
        """Whether there may be another."""
        after = tally.counted_to
        with self._database.read() as connection:
            few = select(runs.c.id).where(runs.c.id > after).order_by(runs.c.id).limit(WINDOW).subquery()
            last, count = connection.execute(select(func.max(few.c.id), func.count()).select_from(few)).one()
            if last is None:
                return False
            held = self._held(connection, after, last)
            self._add(connection, tally, runs.c.id > after, runs.c.id <= last, runs.c.id.not_in(held))
        tally.pending |= held
        tally.counted_to = last
        return bool(count == WINDOW)

    @staticmethod
    def _held(connection: Connection, after: int, to: int) -> set[int]:
        claims = select(jobs.c.claim).where(jobs.c.claim.is_not(None), jobs.c.claim > after, jobs.c.claim <= to)
        return set(connection.execute(claims).scalars())

    def _add(self, connection: Connection, tally: Tally, *which: Any) -> None:
        spans = {
            "duration": (self._seconds("started_at", "finished_at"), DURATIONS),
            "wait": (self._seconds("waiting_since", "started_at"), WAITS),
            "lag": (self._seconds("due_at", "started_at"), WAITS),
        }
        timed = select(runs.c.task, runs.c.status, *(span.label(name) for name, (span, _) in spans.items()))
        # Materialized: else each span is worked out anew for each of its bounds.
        inner = timed.where(*which).cte("timed").prefix_with("MATERIALIZED")
        columns: list[Any] = [inner.c.task, inner.c.status, func.count().label("count")]
        for name, (_, bounds) in spans.items():
            span = inner.c[name]
            columns += [func.count(span), func.coalesce(func.sum(func.abs(span) + span) / 2, 0.0)]
            columns += [func.count().filter(span <= bound) for bound in bounds]
        for task, status, count, *more in connection.execute(select(*columns).group_by("task", "status")):
            key = (task, OUTCOMES.get(status, status))
            tally.outcomes[key] = tally.outcomes.get(key, 0) + count
            for spreads, bounds in ((tally.durations, DURATIONS), (tally.waits, WAITS), (tally.lags, WAITS)):
                counted, total, *within = more[: 2 + len(bounds)]
                del more[: 2 + len(bounds)]
                if counted:
                    spreads.setdefault(task, Spread([0] * len(bounds))).add(within, counted, float(total))

    def _seconds(self, since: str, until: str) -> Any:
        """Between two instants of a run; NULL where it lacks one of them."""
        sql = self._database.dialect.seconds.format(since=f"runs.{since}", until=f"runs.{until}")
        return literal_column(sql, Float)
