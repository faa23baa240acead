"""The dispatcher's turn: one transaction that records outcomes, queues due cron entries, promotes jobs whose
time has come, and claims for the free slots. A whole batch shares the price of one durable commit.

Only the dispatcher calls it, on a connection of its own. Nothing here decides when to turn.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import StatementError

from taskserver.database import BRIEF, PATIENT, Database, DatabaseUnavailable, Patience
from taskserver.database.schema import jobs, nodes
from taskserver.database.types import read_instant
from taskserver.jobs import Claim, Outcome, Reason, Report
from taskserver.log_fields import about
from taskserver.store.claims import Claims
from taskserver.store.limits import Capacity
from taskserver.store.occurrences import BATCH, Occurrences
from taskserver.store.outcomes import Ending, Outcomes

log = logging.getLogger("taskserver.store")

COUNTED = 10_000
"""Waiting jobs are counted up to here; status shows more as 10000+."""

NOT_STORABLE = (StatementError, ValueError, TypeError, OverflowError)
"""What the database, its driver or the making of a parameter says to a value that can't be stored: a driver
raises some of them (UnicodeEncodeError, OverflowError) before the database is asked."""


# One look decides which of the other steps have anything to do; each part is one probe of a partial index.
_JOB = "FROM jobs WHERE ready IS NULL AND status = 'waiting' AND type = 'once' AND active"
_ENTRY = "FROM jobs WHERE type = 'interval' AND active"
_LOOK = f"""
SELECT (SELECT value FROM settings WHERE name = 'autostart'),
  (SELECT claiming FROM nodes WHERE id = :node),
  (SELECT next_run_at {_ENTRY} AND next_run_at IS NOT NULL ORDER BY next_run_at LIMIT 1),
  EXISTS (SELECT 1 {_ENTRY} AND next_run_at IS NULL),
  (SELECT next_run_at {_JOB} AND next_run_at IS NOT NULL ORDER BY next_run_at LIMIT 1),
  EXISTS (SELECT 1 {_JOB} AND next_run_at IS NULL)
"""

_PROMOTE = f"""
UPDATE jobs SET ready = CASE WHEN start_requested_at IS NOT NULL THEN 2 ELSE 1 END
WHERE id IN (SELECT id {_JOB} AND (next_run_at IS NULL OR next_run_at <= :now) LIMIT :most)
"""

_REQUESTS = """
SELECT claim, kill_requested_at IS NOT NULL FROM jobs WHERE status = 'stopping' AND claimed_by = :node
"""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What `_LOOK` found: the next instants, and whether there are any that were left out by a plain INSERT."""

    autostart: bool
    claiming: bool
    entry_at: datetime | None
    entry_without: bool
    job_at: datetime | None
    job_without: bool

    def entry_is_due(self, now: datetime) -> bool:
        return self.entry_without or (self.entry_at is not None and self.entry_at <= now)

    def job_is_due(self, now: datetime) -> bool:
        return self.job_without or (self.job_at is not None and self.job_at <= now)

    def next_due(self, now: datetime) -> timedelta | None:
        instants = [instant for instant in (self.entry_at, self.job_at) if instant is not None]
        return max(min(instants) - now, timedelta(0)) if instants else None


@dataclass(slots=True)
class Turn:
    """What one turn did, and what the next one needs to know."""

    claims: list[Claim] = field(default_factory=list)
    accepted: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    """Runs whose claim another node, or a person's SQL, took away."""
    stops: set[int] = field(default_factory=set)
    """Runs of this node that somebody asked to stop."""
    kills: set[int] = field(default_factory=set)
    next_due: timedelta | None = None
    """How long until something falls due; None: nothing is planned."""
    again: bool = False
    """There was more to do than one turn takes."""
    contended: bool = False
    waiting: int | None = None
    autostart: bool = True
    claiming: bool = True
    """Whether the node may take jobs; else somebody has told it not to."""


@dataclass(slots=True)
class Work:
    """What the dispatcher brings to a turn."""

    endings: list[Ending] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    heartbeat: bool = False
    memory: int | None = None
    """Bytes that the node uses, told with a heartbeat."""
    count: bool = False


class Dispatch:
    """The hot path. One instance and one lasting connection for each daemon."""

    def __init__(self, database: Database, default_zone: ZoneInfo) -> None:
        self._database = database
        self._claims = Claims(database)
        self._outcomes = Outcomes(database)
        self._occurrences = Occurrences(database, default_zone)
        self._connection: Connection | None = None
        self._seen_version: int | None = None
        self._name: str | None = None
        self._look_sql = database.statement(_LOOK)
        self._promote = database.statement(_PROMOTE)
        self._requests = database.statement(_REQUESTS)

    def open(self) -> Connection:
        """The lasting connection; made anew after a failure. Raises DatabaseUnavailable."""
        if self._connection is None:
            connection = self._database.connect()
            try:
                with self._database.translated():
                    self._database.dialect.tune_dispatcher(connection)
                    self._database.set_clock(connection)
                    self._take_name(connection)
                    connection.rollback()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Gives the connection up, whatever state it is in."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()

    def require_in_place(self) -> None:
        """Raises DatabaseMoved where the database is not the one any more that this node has joined."""
        self._database.require_in_place()

    def changed(self) -> bool:
        """Whether another connection may have committed since the last look; cheap where it can be asked."""
        connection = self.open()
        with self._database.translated():
            version = self._database.dialect.data_version(connection)
            connection.rollback()
        changed = version is None or version != self._seen_version
        self._seen_version = version
        return changed

    def turn(self, work: Work, capacity: Capacity, *, patience: Patience = BRIEF) -> Turn:
        """One transaction of everything that is to do now.

        Raises DatabaseBusy (postpone the turn), CommitUnknown (call `own_claims` before going on) or
        DatabaseUnavailable; then nothing of `work` may be forgotten. A lasting error in one outcome does not
        stop the others: it is recorded as failed.
        """
        connection = self.open()
        turn = Turn()
        try:
            with self._database.write(connection, patience=patience):
                if work.heartbeat:  # either side's clock may have been moved since
                    self._database.set_clock(connection)
                self._record(connection, work, capacity, turn)
                self._advance(connection, work, capacity, turn)
        except NOT_STORABLE as error:
            if not work.endings and not work.reports:
                raise
            log.warning("a batch of outcomes was refused, recording them one by one: %s", _said(error))
            turn = self._turn_row_by_row(connection, work, capacity)
        return turn

    def _turn_row_by_row(self, connection: Connection, work: Work, capacity: Capacity) -> Turn:
        turn = Turn()
        for report in work.reports:
            self._alone(connection, Work(reports=[report]), capacity, turn)
        for claim, outcome in work.endings:
            if not self._alone(connection, Work(endings=[(claim, outcome)]), capacity, turn):
                text = "the outcome of this run could not be stored"
                failed = Outcome.failed(text, reason=Reason.ERROR)
                self._alone(connection, Work(endings=[(claim, failed)]), capacity, turn)
        with self._database.write(connection, patience=PATIENT):
            self._advance(connection, work, capacity, turn)
        return turn

    def _alone(self, connection: Connection, work: Work, capacity: Capacity, turn: Turn) -> bool:
        try:
            with self._database.write(connection, patience=PATIENT):
                self._record(connection, work, capacity, turn)
        except NOT_STORABLE as error:
            subjects: list[Claim | Report] = [*work.reports, *(claim for claim, _ in work.endings)]
            for subject in subjects:
                text = "the database refuses what run %s reports: %s"
                log.error(text, subject.run_id, _said(error), extra=about(subject))
            return False
        return True

    def take_one(self, job_id: int, capacity: Capacity) -> Claim | None:
        """Claims this one job for the node; None when it can't be had: it does not wait, or has no login."""
        with self._database.write(self.open(), patience=PATIENT) as connection:
            return self._claims.take_one(connection, job_id, capacity, self._database.now())

    def hold_name(self, node_id: str) -> bool:
        """Whether only this connection now works under the node's name; a later one takes it again."""
        connection = self.open()
        with self._database.translated():
            held = self._database.dialect.hold_name(connection, node_id)
            connection.rollback()
        if held:
            self._name = node_id
        return held

    def _take_name(self, connection: Connection) -> None:
        """The name was lost with the connection that held it."""
        if self._name is not None and not self._database.dialect.hold_name(connection, self._name):
            reason = f"another task server works as node {self._name}"
            raise DatabaseUnavailable(database=self._database.label, reason=reason)

    def own_claims(self, node: int) -> list[Claim]:
        """The claims that the database says this node holds."""
        with self._database.read(self.open()) as connection:
            return self._claims.own(connection, node)

    def _record(self, connection: Connection, work: Work, capacity: Capacity, turn: Turn) -> None:
        now = self._database.now()
        lost: set[int] = set()
        if work.reports:  # before the outcomes: the last lines of a run belong to a claim that is still held
            lost |= self._outcomes.report(connection, work.reports)
        if work.endings:
            accepted = self._outcomes.apply(connection, work.endings, capacity.node_id, now)
            turn.accepted |= accepted
            lost |= {claim.run_id for claim, _ in work.endings} - accepted
            lost -= accepted
        turn.lost |= lost

    def _advance(self, connection: Connection, work: Work, capacity: Capacity, turn: Turn) -> None:
        now = self._database.now()
        seen = self._look(connection, capacity.node)
        queued = self._occurrences.queue_due(connection, now) if seen.entry_is_due(now) else 0
        # The heartbeat finds what plain SQL has set free.
        if queued or work.count or work.heartbeat or any(claim.cron_entry_id for claim, _ in work.endings):
            self._occurrences.release_held(connection)
        promoted = self._promote_due(connection, now) if seen.job_is_due(now) else 0
        turn.autostart = capacity.autostart = seen.autostart
        turn.claiming = seen.claiming
        if capacity.free > 0 and seen.claiming:
            taken = self._claims.take(connection, capacity, now)
            turn.claims, turn.contended = taken.claims, taken.contended
            turn.again = taken.filed > 0
        turn.again = turn.again or BATCH in (queued, promoted)
        self._look_for_requests(connection, capacity.node, turn)
        turn.next_due = (self._look(connection, capacity.node) if queued or promoted else seen).next_due(now)
        if work.heartbeat:
            alive = {"heartbeat_at": now, "memory_bytes": work.memory}
            connection.execute(update(nodes).where(nodes.c.id == capacity.node).values(alive))
        if work.count:
            turn.waiting = self._count_waiting(connection)

    def _look(self, connection: Connection, node: int) -> _Seen:
        autostart, claiming, *entry, job_at, job_without = connection.exec_driver_sql(
            self._look_sql, {"node": node}
        ).one()
        return _Seen(
            autostart != "off",
            claiming is None or bool(claiming),
            read_instant(entry[0]),
            bool(entry[1]),
            read_instant(job_at),
            bool(job_without),
        )

    def _promote_due(self, connection: Connection, now: datetime) -> int:
        """Flags waiting jobs whose time has come."""
        parameters = {"now": self._database.instant(now), "most": BATCH}
        return connection.exec_driver_sql(self._promote, parameters).rowcount

    def _look_for_requests(self, connection: Connection, node: int, turn: Turn) -> None:
        for claim, killed in connection.exec_driver_sql(self._requests, {"node": node}):
            (turn.kills if killed else turn.stops).add(claim)

    @staticmethod
    def _count_waiting(connection: Connection) -> int:
        ready = select(jobs.c.id).where(jobs.c.ready.is_not(None)).limit(COUNTED).subquery()
        later = (
            select(jobs.c.id)
            .where(jobs.c.ready.is_(None), jobs.c.status == "waiting", jobs.c.type == "once", jobs.c.active)
            .limit(COUNTED)
            .subquery()
        )
        counts = connection.execute(
            select(
                select(func.count()).select_from(ready).scalar_subquery(),
                select(func.count()).select_from(later).scalar_subquery(),
            )
        ).one()
        return int(counts[0] + counts[1])


def _said(error: Exception) -> BaseException:
    """The error itself, without the statement that SQLAlchemy wraps it in."""
    return (error.orig if isinstance(error, StatementError) else None) or error
