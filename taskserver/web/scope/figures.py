"""Figures about everything, through the door: they speak of every client, so they need a viewer for all."""

from __future__ import annotations

from taskserver.store import Role, Tally
from taskserver.store.figures import JobFigure, MissedFigure
from taskserver.web.scope.door import Door, Row


class ScopedFigures:
    """`scope.figures`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def require(self) -> None:
        """Raises Forbidden for whoever may not see every client: what is kept of an answer is theirs no more."""
        self._door.require_everywhere(Role.VIEWER)

    def jobs(self) -> list[JobFigure]:
        self._door.require_everywhere(Role.VIEWER)
        return self._door.store.figures.jobs()

    def clients(self) -> list[str]:
        self._door.require_everywhere(Role.VIEWER)
        return self._door.store.figures.clients()

    def missed(self) -> list[MissedFigure]:
        self._door.require_everywhere(Role.VIEWER)
        return self._door.store.figures.missed()

    def nodes(self) -> list[Row]:
        """The newest start of each node."""
        self._door.require_everywhere(Role.VIEWER)
        newest: dict[str, Row] = {}
        for node in self._door.store.nodes.find():
            newest.setdefault(node["node_id"], node)
        return list(newest.values())

    def count_runs(self, tally: Tally) -> None:
        self._door.require_everywhere(Role.VIEWER)
        self._door.store.figures.count_runs(tally)
