"""The page of jobs: which rows stand on it, in the order in which they will start, and how many there are.

One sort over a hundred thousand jobs for fifty rows would cost a page each time it looks. So the order is cut into
ranks (running, started by hand, queued, ... ended), each of which an index can answer; a page asks one rank after
the other until it is full. Places in that order are values, so that pages go on both ways while rows come and go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, or_, select, text, tuple_

from taskserver.clock import from_text, to_text
from taskserver.database import Database
from taskserver.database.schema import clients, jobs
from taskserver.jobs import Ready, Status
from taskserver.store import turns
from taskserver.store.errors import PageGone
from taskserver.store.places import parts_of, word_of
from taskserver.store.reading import Reading, as_job
from taskserver.store.searching import holds, titles_hold

COUNTED = 10_000
"""Counts stop here; pages show more as 10000+."""

Row = dict[str, Any]

# Literally as in the indexes: SQLite takes a partial index only for a condition that is written the same way.
_ENDED = "jobs.status IN ('stopped', 'finished', 'failed')"
_LATER = "jobs.ready IS NULL AND jobs.status = 'waiting' AND jobs.type = 'once' AND jobs.active"
_INACTIVE = "jobs.status = 'waiting' AND jobs.type = 'once' AND NOT jobs.active AND jobs.ready IS NULL"

_BY_PLACE = (-jobs.c.priority, jobs.c.position, jobs.c.id)
# Not the column itself: its index would be taken to save the sort, and every job looked at for a handful.
_BY_ID = (jobs.c.id + 0,)


@dataclass(frozen=True, slots=True)
class _Stream:
    """Jobs that one index finds in the order of their rank: those with one of these statuses."""

    condition: str
    statuses: frozenset[Status]


@dataclass(frozen=True, slots=True)
class _Rank:
    """Jobs that stand together, ordered by `key`; its streams are merged."""

    key: tuple[ColumnElement[Any], ...]
    streams: tuple[_Stream, ...]
    descending: bool = False
    instants: frozenset[int] = frozenset()
    """Which parts of the key are instants."""


def _waiting(condition: str) -> tuple[_Stream, ...]:
    return (_Stream(condition, frozenset({Status.WAITING})),)


_OVER = (Status.STOPPED, Status.FINISHED, Status.FAILED)
_FIRST = frozenset({0})

RANKS = (
    _Rank(
        (jobs.c.claim, jobs.c.id),
        (_Stream("jobs.claim IS NOT NULL", frozenset({Status.RUNNING, Status.STOPPING})),),
    ),
    _Rank(_BY_PLACE, _waiting("jobs.ready = 2")),
    _Rank(_BY_PLACE, _waiting("jobs.ready = 1")),
    _Rank(_BY_PLACE, _waiting("jobs.ready = 0")),
    _Rank(_BY_ID, _waiting(f"{_LATER} AND jobs.next_run_at IS NULL")),
    _Rank(
        (jobs.c.next_run_at, jobs.c.id), _waiting(f"{_LATER} AND jobs.next_run_at IS NOT NULL"), instants=_FIRST
    ),
    _Rank(_BY_ID, _waiting(_INACTIVE)),
    _Rank(
        (jobs.c.ended_at, jobs.c.id),
        tuple(
            _Stream(f"jobs.status = '{status}' AND {_ENDED} AND jobs.ended_at IS NOT NULL", frozenset({status}))
            for status in _OVER
        ),
        descending=True,
        instants=_FIRST,
    ),
    _Rank(_BY_ID, (_Stream(f"{_ENDED} AND jobs.ended_at IS NULL", frozenset(_OVER)),), descending=True),
)

_IN_TURN = {1: Ready.BY_HAND, 2: Ready.QUEUED}
"""Ranks whose jobs start in the turn of their clients, and the level that they are ready at."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands in the order, also when it has gone since."""

    rank: int
    key: tuple[Any, ...]

    def write(self) -> str:
        """One word for an address; opaque to whoever keeps it."""
        parts = [to_text(part) if isinstance(part, datetime) else part for part in self.key]
        return word_of(self.rank, *parts)

    @classmethod
    def read(cls, word: str) -> Place:
        """Raises PageGone for anything that `write` has not written."""
        try:
            rank, *parts = parts_of(word)
            key = RANKS[rank].key
            lengths = (len(key), turns.LENGTH) if rank in _IN_TURN else (len(key),)
            if type(rank) is not int or rank < 0 or len(parts) not in lengths:
                raise PageGone()
            instants = RANKS[rank].instants
            return cls(rank, tuple(_part(part, is_instant=at in instants) for at, part in enumerate(parts)))
        except (ValueError, TypeError, IndexError):
            raise PageGone() from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs: all conditions hold together. `visible` are ids of clients; None: those of every client."""

    visible: Collection[int] | None = None
    client: str | None = None
    status: Collection[str] | None = None
    task: str | None = None
    entry: int | None = None
    text: str | None = None


@dataclass(slots=True)
class Page:
    """Rows as `store.jobs.get` has them, and the places from which to go on; None: there is nothing."""

    rows: list[Row] = field(default_factory=list)
    before: Place | None = None
    after: Place | None = None


class Overview:
    """`store.overview`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        wanted: Wanted,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int = 50,
        in_turn: bool = False,
    ) -> Page:
        """At most `limit` jobs behind the one place, or ahead of the other, in the order of the whole list.

        `in_turn`: queued jobs stand as the clients take turns. That is the order in which they will start; but it
        changes whenever one starts, so whoever has to see each job exactly once does without.
        """
        backward = before is not None
        start = before if backward else after
        with self._database.read() as connection:
            conditions = _conditions(self._database, connection, wanted)
            walk = self._walk(connection, wanted, conditions, start, backward, limit + 1, in_turn)
            found = list(islice(walk, limit + 1))
            has_more = len(found) > limit
            places: list[Place] = found[:limit]
            if backward:
                places.reverse()
            rows = self._rows(connection, [place.key[-1] for place in places])
        if not places:
            return Page(before=after, after=before)
        has_earlier, has_later = (has_more, True) if backward else (start is not None, has_more)
        return Page(rows, places[0] if has_earlier else None, places[-1] if has_later else None)

    def counts(self, wanted: Wanted) -> dict[str, int]:
        """How many jobs have each status, counted up to COUNTED; `status` and `text` are left aside."""
        plain = Wanted(visible=wanted.visible, client=wanted.client, task=wanted.task, entry=wanted.entry)
        with self._database.read() as connection:
            conditions = _conditions(self._database, connection, plain)
            found = {
                status.value: sum(
                    self._count(connection, stream, status, conditions)
                    for rank in RANKS
                    for stream in rank.streams
                    if status in stream.statuses
                )
                for status in Status
            }
        return {status: min(count, COUNTED) for status, count in found.items()}

    @staticmethod
    def _count(
        connection: Connection, stream: _Stream, status: Status, conditions: Sequence[ColumnElement[bool]]
    ) -> int:
        more = _of_status(stream, [status.value])
        some = select(jobs.c.id).where(text(stream.condition), *more, *conditions).limit(COUNTED).subquery()
        return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    def _walk(
        self,
        connection: Connection,
        wanted: Wanted,
        conditions: Sequence[ColumnElement[bool]],
        start: Place | None,
        backward: bool,
        limit: int,
        in_turn: bool,
    ) -> Iterator[Place]:
        """The places from `start` on, away from it; asked for lazily, one rank after the other."""
        seen: set[int] = set()  # a job that changes meanwhile may be met in two ranks
        for number in sorted(range(len(RANKS)), reverse=backward):
            if start is not None and (number > start.rank if backward else number < start.rank):
                continue
            streams = [
                (stream, _of_status(stream, wanted.status))
                for stream in RANKS[number].streams
                if wanted.status is None or stream.statuses & set(wanted.status)
            ]
            key = start.key if start is not None and number == start.rank else None
            if in_turn and number in _IN_TURN and streams:
                rows = _turns(connection, number, wanted.visible, conditions, key, backward, limit)
            else:
                plain = None if key is None else key[-len(RANKS[number].key) :]
                rows = _rank(connection, RANKS[number], streams, conditions, plain, backward, limit)
            for row in rows:
                if row[-1] not in seen:
                    seen.add(row[-1])
                    yield Place(number, row)

    @staticmethod
    def _rows(connection: Connection, ids: Sequence[int]) -> list[Row]:
        query = Reading.select_jobs().where(jobs.c.id.in_(ids))
        found = {row.id: as_job(row) for row in connection.execute(query)}
        return [found[job_id] for job_id in ids if job_id in found]


def _turns(
    connection: Connection,
    rank: int,
    visible: Collection[int] | None,
    conditions: Sequence[ColumnElement[bool]],
    start: tuple[Any, ...] | None,
    backward: bool,
    limit: int,
) -> Iterator[tuple[Any, ...]]:
    if start is not None and len(start) != turns.LENGTH:
        raise PageGone()
    found = turns.Turns.of(connection, _IN_TURN[rank], conditions, visible=visible, start=start)
    return found.walk(start, backward=backward, limit=limit)


def _rank(
    connection: Connection,
    rank: _Rank,
    streams: Sequence[tuple[_Stream, list[ColumnElement[bool]]]],
    conditions: Sequence[ColumnElement[bool]],
    start: tuple[Any, ...] | None,
    backward: bool,
    limit: int,
) -> Iterator[tuple[Any, ...]]:
    downward = rank.descending is not backward
    if start is not None:
        here = tuple_(*rank.key)
        conditions = [*conditions, here < tuple_(*start) if downward else here > tuple_(*start)]
    order = [column.desc() if downward else column for column in rank.key]
    found = (
        connection.execute(
            select(*rank.key).where(text(stream.condition), *more, *conditions).order_by(*order).limit(limit)
        ).all()
        for stream, more in streams
    )
    # The negated priority has no name of its own; as tuples all keys compare as the database orders them.
    yield from merge(*([tuple(row) for row in rows] for rows in found), reverse=downward)


def _of_status(stream: _Stream, wanted: Collection[str] | None) -> list[ColumnElement[bool]]:
    """The condition, unless all of the stream has a wanted status: an index may not know it."""
    if wanted is None or stream.statuses <= set(wanted):
        return []
    return [jobs.c.status.in_(list(wanted))]


def _conditions(database: Database, connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.visible is not None:
        found.append(jobs.c.client_id.in_(list(wanted.visible)))
    if wanted.client is not None:
        client_id = connection.execute(select(clients.c.id).where(clients.c.name == wanted.client)).scalar()
        found.append(false() if client_id is None else jobs.c.client_id == client_id)
    if wanted.task is not None:
        found.append(jobs.c.task == wanted.task)
    if wanted.entry is not None:
        found.append(jobs.c.cron_entry_id == wanted.entry)
    if wanted.text:
        found.append(_holds(database, connection, wanted.text))
    return found


def _holds(database: Database, connection: Connection, needle: str) -> ColumnElement[bool]:
    """The text stands in what the page shows of the job; or it is the job's number."""
    shown = (jobs.c.title, jobs.c.description, jobs.c.task, jobs.c.error, jobs.c.detail)
    alternatives = [holds(database, shown, needle), *titles_hold(database, connection, needle)]
    number = needle.removeprefix("#")  # as the page writes it
    if number.isdecimal() and number.isascii() and len(number) < 19:
        alternatives.append(jobs.c.id == int(number))
    return or_(*alternatives)


def _part(part: Any, *, is_instant: bool) -> Any:
    if is_instant:
        return from_text(part)
    if type(part) is not int or not -(2**63) <= part < 2**63:
        raise PageGone()
    return part
