"""The page of runs, the one that ended last first, and what a search through very many of them may cost.

Filters that no index knows are looked for in windows of the newest runs; a page that is not full when the time is
up says how far it has looked, and the next one goes on there. So a page is quick however many runs there are.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, tuple_

from taskserver.clock import from_text, to_text
from taskserver.database import Database
from taskserver.database.schema import clients, runs
from taskserver.store.errors import PageGone
from taskserver.store.places import parts_of, word_of
from taskserver.store.rows import as_dict
from taskserver.store.runs import of_client
from taskserver.store.searching import holds

PATIENCE = timedelta(seconds=1)
"""So long one page is searched for; what was found by then is shown."""

WINDOW = 20_000
"""So many runs are looked through between two looks at the clock."""

MOST_SHARES = 20
"""Several clients share the window; but beyond so many parts each is too small to be worth its two queries."""

SAME = {"finished": ("finished", "success"), "failed": ("failed", "failure")}
"""Words of older programs for the same outcome."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class RunPlace:
    """Where a run stands in the history, also when it has been cleared away since."""

    finished_at: datetime
    id: int

    def write(self) -> str:
        """One word for an address; opaque to whoever keeps it."""
        return word_of(to_text(self.finished_at), self.id)

    def stepped(self, by: int) -> RunPlace:
        """The place right beside: from there the way back begins with the run that stands here."""
        return replace(self, id=max(self.id + by, 0))

    @classmethod
    def read(cls, word: str) -> RunPlace:
        """Raises PageGone for anything that `write` has not written."""
        try:
            moment, number = parts_of(word)
            if type(number) is not int or not 0 <= number < 2**63:
                raise PageGone()
            return cls(from_text(moment), number)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise PageGone() from None


BEFORE_ALL = RunPlace(datetime.max.replace(tzinfo=UTC), 2**63 - 1)
"""Where a walk from the newest on begins."""


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """Which runs: all conditions hold together. `task`, `title`, `result` and `error` are looked for anywhere
    in the text, in any case, `text` in title or task; `of_task` is all of its name. `status` is an outcome, SAME
    of it included; `visible` are ids of clients."""

    visible: Collection[int] | None = None
    client: str | None = None
    node: str | None = None
    of_task: str | None = None
    task: str | None = None
    title: str | None = None
    text: str | None = None
    result: str | None = None
    error: str | None = None
    status: str | None = None
    entry: int | None = None
    job: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class RunPage:
    """Rows as `store.runs.get` has them, without traceback. `looked_to`: there the time was up."""

    rows: list[Row] = field(default_factory=list)
    newer: RunPlace | None = None
    older: RunPlace | None = None
    looked_to: datetime | None = None


class History:
    """`store.history`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        wanted: WantedRuns,
        *,
        before: RunPlace | None = None,
        after: RunPlace | None = None,
        limit: int = 50,
    ) -> RunPage:
        """The runs older than `before`, or those newer than `after`, next to it."""
        search = _Search(self._database, wanted, backward=after is not None)
        with self._database.read() as connection:
            rows, looked_to = search.find(connection, after or before, limit)
        if after is None:
            older = _place(rows[limit - 1]) if len(rows) > limit else looked_to
            rows, newer = rows[:limit], None
            if before is not None:
                newer = _place(rows[0]) if rows else before.stepped(-1)
            return RunPage(rows, newer, older, None if looked_to is None else looked_to.finished_at)
        newer = _place(rows[limit - 1]) if len(rows) > limit else looked_to
        rows = rows[:limit][::-1]
        return RunPage(rows, newer, _place(rows[-1]) if rows else after.stepped(1))


@dataclass(slots=True)
class _Walk:
    """The way through the runs of one client, or of all: `place` is how far they were looked through."""

    conditions: list[ColumnElement[bool]]
    place: RunPlace
    rows: list[Row] = field(default_factory=list)
    over: bool = False


class _Search:
    """A look through the runs in the order of their end, in one direction: client by client where not all may be
    seen, so that neither its time nor where it stops tells anything of others' runs."""

    def __init__(self, database: Database, wanted: WantedRuns, *, backward: bool) -> None:
        self._backward = backward
        self._key = tuple_(runs.c.finished_at, runs.c.id)
        ways = (runs.c.finished_at, runs.c.id)
        self._order = ways if backward else tuple(column.desc() for column in ways)
        self._range: list[ColumnElement[bool]] = [runs.c.finished_at.is_not(None)]
        self._range += [runs.c.finished_at >= wanted.since] if wanted.since is not None else []
        self._range += [runs.c.finished_at < wanted.until] if wanted.until is not None else []
        self._range += [runs.c.job_id == wanted.job] if wanted.job is not None else []
        self._range += [runs.c.cron_entry_id == wanted.entry] if wanted.entry is not None else []
        self._clients = _of_clients(wanted)
        self._filter = _filters(database, wanted)
        self._window = max(WINDOW // min(max(len(self._clients), 1), MOST_SHARES), 1)

    def find(
        self, connection: Connection, start: RunPlace | None, limit: int
    ) -> tuple[list[Row], RunPlace | None]:
        """One row more than `limit` if there is one; and where the time was up, unless the end was reached."""
        deadline = time.monotonic() + PATIENCE.total_seconds()
        start = start or BEFORE_ALL
        walks = [_Walk(conditions, start) for conditions in self._clients]
        while True:
            last = self._hindmost(walks)
            rows = self._sure(walks, last)
            if last is None or len(rows) > limit:
                return rows[: limit + 1], None
            if last.place != start and time.monotonic() > deadline:
                return rows, last.place
            self._step(connection, last, limit)

    def _hindmost(self, walks: list[_Walk]) -> _Walk | None:
        """The walk that has come least far and can go on."""
        nearest = min if self._backward else max
        return nearest((walk for walk in walks if not walk.over), key=lambda walk: walk.place, default=None)

    def _sure(self, walks: list[_Walk], last: _Walk | None) -> list[Row]:
        """The rows, in order, ahead of which no walk can find another."""
        rows = [(_place(row), row) for walk in walks for row in walk.rows]
        if last is not None:
            rows = [each for each in rows if (each[0] <= last.place if self._backward else each[0] >= last.place)]
        return [row for _, row in sorted(rows, key=lambda each: each[0], reverse=not self._backward)]

    def _step(self, connection: Connection, walk: _Walk, limit: int) -> None:
        """One window further; without filters the whole way."""
        edge = self._edge(connection, walk) if self._filter else None
        walk.rows += self._rows(connection, walk, edge, limit + 1 - len(walk.rows))
        walk.over = edge is None or len(walk.rows) > limit
        walk.place = edge or walk.place

    def _edge(self, connection: Connection, walk: _Walk) -> RunPlace | None:
        """The last run of the next window; None: fewer are left."""
        query = select(runs.c.finished_at, runs.c.id).where(
            *self._range, *walk.conditions, *self._beyond(walk.place)
        )
        row = connection.execute(query.order_by(*self._order).limit(1).offset(self._window - 1)).first()
        return None if row is None else RunPlace(row.finished_at, row.id)

    def _rows(self, connection: Connection, walk: _Walk, edge: RunPlace | None, limit: int) -> list[Row]:
        columns: list[Any] = [column for column in runs.c if column.name != "traceback"]
        query: Any = (
            select(*columns, clients.c.name.label("client"))
            .outerjoin(clients, clients.c.id == runs.c.client_id)
            .where(*self._range, *walk.conditions, *self._beyond(walk.place), *self._up_to(edge), *self._filter)
            .order_by(*self._order)
            .limit(limit)
        )
        return [as_dict(row) for row in connection.execute(query)]

    def _beyond(self, place: RunPlace) -> list[ColumnElement[bool]]:
        there = (place.finished_at, place.id)
        # The first column for itself: so that every planner begins there in the index.
        if self._backward:
            return [runs.c.finished_at >= place.finished_at, self._key > there]
        return [runs.c.finished_at <= place.finished_at, self._key < there]

    def _up_to(self, edge: RunPlace | None) -> list[ColumnElement[bool]]:
        if edge is None:
            return []
        there = (edge.finished_at, edge.id)
        if self._backward:
            return [runs.c.finished_at <= edge.finished_at, self._key <= there]
        return [runs.c.finished_at >= edge.finished_at, self._key >= there]


def _of_clients(wanted: WantedRuns) -> list[list[ColumnElement[bool]]]:
    """For each client to be looked through the conditions that one index answers in this order; none: for all."""
    if wanted.client is not None:
        named = select(clients.c.id).where(clients.c.name == wanted.client).scalar_subquery()
        seen = [] if wanted.visible is None else [of_client.in_(list(wanted.visible))]
        return [[runs.c.client_id == named, *seen]]
    if wanted.visible is None:
        return [[]]
    return [[runs.c.client_id == client_id] for client_id in sorted(wanted.visible)]


def _filters(database: Database, wanted: WantedRuns) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.node is not None:
        found.append(runs.c.node_id == wanted.node)
    if wanted.of_task is not None:
        found.append(runs.c.task == wanted.of_task)
    if wanted.status is not None:
        found.append(runs.c.status.in_(SAME.get(wanted.status, (wanted.status,))))
    for columns, needle in (
        ((runs.c.task,), wanted.task),
        ((runs.c.title,), wanted.title),
        ((runs.c.title, runs.c.task), wanted.text),
        ((runs.c.result,), wanted.result),
        ((runs.c.error,), wanted.error),
    ):
        if needle:
            found.append(holds(database, columns, needle))
    return found


def _place(row: Row) -> RunPlace:
    return RunPlace(row["finished_at"], row["id"])
