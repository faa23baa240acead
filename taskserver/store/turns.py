"""The order in which ready jobs of several clients will start: one of each client in turn, as claims take them.

Predicted from the rows: where the turn is now tells the newest claim. Jobs of clients without a login come last:
nobody takes them. Limits of tasks and clients are left aside. Only `overview` uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import count, islice

from sqlalchemy import ColumnElement, Connection, select, text

from taskserver.database.schema import clients, jobs
from taskserver.jobs import Ready

LENGTH = 6
"""Of a key: the client served last, the round, the client, and the job's own priority, position, id."""
_UNSERVED = 2**40
"""The first round of clients without a login: behind all others."""

Key = tuple[int, ...]

_FIRST_CHUNK = 4
_GROWS = 4

# An index answers each of these by a few steps, however many jobs wait.
_LANES = text(
    """
    WITH RECURSIVE found(lane) AS (
      SELECT min(lane) FROM jobs WHERE ready = :ready
      UNION ALL
      SELECT (SELECT min(j.lane) FROM jobs j WHERE j.ready = :ready AND j.lane > found.lane)
      FROM found WHERE found.lane IS NOT NULL
    ) SELECT lane FROM found WHERE lane IS NOT NULL
    """
)
_CLIENTS = text(
    """
    WITH RECURSIVE found(client_id) AS (
      SELECT min(client_id) FROM jobs WHERE ready = :ready AND lane = :lane
      UNION ALL
      SELECT (SELECT min(j.client_id) FROM jobs j
              WHERE j.ready = :ready AND j.lane = :lane AND j.client_id > found.client_id)
      FROM found WHERE found.client_id IS NOT NULL
    ) SELECT client_id FROM found WHERE client_id IS NOT NULL
    """
)
_OWN_ORDER = (-jobs.c.priority, jobs.c.position, jobs.c.id)


@dataclass(frozen=True, slots=True)
class Turns:
    """The ready jobs of one level, 1 or 2, that fulfil the conditions. `lanes`: of each client, in turn."""

    connection: Connection
    ready: int
    conditions: Sequence[ColumnElement[bool]]
    lanes: dict[int, list[str]]
    served: frozenset[int]
    cursor: int

    @classmethod
    def of(
        cls,
        connection: Connection,
        ready: int,
        conditions: Sequence[ColumnElement[bool]],
        *,
        visible: Collection[int] | None,
        start: Key | None,
    ) -> Turns:
        """`start`: a key from which to go on; the turn is then where it was for that key.

        `visible`: the only clients whose claims may tell where it is.
        """
        lanes: dict[int, list[str]] = {}
        for lane in connection.execute(_LANES, {"ready": ready}).scalars():
            for client_id in connection.execute(_CLIENTS, {"ready": ready, "lane": lane}).scalars():
                lanes.setdefault(client_id, []).append(lane)
        with_login = select(clients.c.id).where(clients.c.login.is_not(None))
        served = frozenset(connection.execute(with_login).scalars())
        seen = [] if visible is None else [jobs.c.client_id.in_(list(visible))]
        cursor = start[0] if start is not None else _served_last(connection, ready, seen)
        turn = sorted(lanes, key=lambda each: (each <= cursor, each))
        return cls(connection, ready, conditions, {each: lanes[each] for each in turn}, served, cursor)

    def walk(self, start: Key | None, *, backward: bool, limit: int) -> Iterator[Key]:
        """The keys behind `start`, or from the one ahead of it backwards, at most `limit`; of all without `start`.

        It always begins at the top: what lies between costs some microseconds a job.
        """
        if not backward:
            return islice(self._behind(start), limit)
        ahead: deque[Key] = deque(maxlen=limit)
        for key in self._all():
            if start is not None and _is_reached(key, start):
                break
            ahead.append(key)
        return reversed(ahead)

    def walk_served(self) -> Iterator[Key]:
        """All that somebody takes."""
        return self._rounds([each for each in self.lanes if each in self.served], 1)

    def _behind(self, start: Key | None) -> Iterator[Key]:
        keys = self._all()
        for key in keys:
            if start is None or _is_reached(key, start):
                if start is None or key[2:] != start[2:]:
                    yield key
                break
        yield from keys

    def _all(self) -> Iterator[Key]:
        """Round by round, one of each client; then those that nobody takes."""
        yield from self.walk_served()
        yield from self._rounds([each for each in self.lanes if each not in self.served], _UNSERVED)

    def _rounds(self, turn: Sequence[int], first: int) -> Iterator[Key]:
        queues = {client_id: self._of_client(client_id) for client_id in turn}
        for number in count(first):
            for client_id in list(queues):
                own = next(queues[client_id], None)
                if own is None:
                    del queues[client_id]
                else:
                    yield self.cursor, number, client_id, *own
            if not queues:
                return

    def _of_client(self, client_id: int) -> Iterator[Key]:
        return merge(*(self._of_lane(client_id, lane) for lane in self.lanes[client_id]))

    def _of_lane(self, client_id: int, lane: str) -> Iterator[Key]:
        """In pieces that grow: most clients are asked for a handful."""
        query = (
            select(*_OWN_ORDER)
            .where(text(f"jobs.ready = {self.ready}"), jobs.c.lane == lane, jobs.c.client_id == client_id)
            .where(*self.conditions)
            .order_by(jobs.c.priority.desc(), jobs.c.position, jobs.c.id)
        )
        offset, size = 0, _FIRST_CHUNK
        while True:
            rows = self.connection.execute(query.limit(size).offset(offset)).all()
            yield from (tuple(row) for row in rows)
            if len(rows) < size:
                return
            offset, size = offset + size, size * _GROWS


def _served_last(connection: Connection, ready: int, seen: Sequence[ColumnElement[bool]]) -> int:
    """The client of the newest claim, or that of the last job that is claimed before these; 0: there is none."""
    newest = select(jobs.c.client_id).where(jobs.c.claim.is_not(None), *seen).order_by(jobs.c.claim.desc())
    found = connection.execute(newest.limit(1)).scalar() or 0
    if ready == Ready.BY_HAND:
        return found
    first = Turns.of(connection, Ready.BY_HAND, seen, visible=None, start=(found,))
    last = deque((key[2] for key in first.walk_served()), maxlen=1)
    return last[0] if last else found


def _is_reached(key: Key, start: Key) -> bool:
    """Whether this is the job of `start`, or, where that is gone, the first behind it."""
    if key[2] == start[2]:
        return key[3:] >= start[3:]
    return key[1] > start[1]
