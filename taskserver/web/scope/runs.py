"""Runs and what they tell, through the door."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from taskserver.redaction import redacted
from taskserver.store import FailureGroup, RunPage, RunPlace, WantedRuns
from taskserver.store.errors import RunNotFound
from taskserver.web.scope.door import Door, Row


class ScopedRuns:
    """`scope.runs`. Rows are those of `store.runs`, without secrets in their data."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self, **wanted: Any) -> list[Row]:
        """Conditions as `store.runs.find` has them. Raises ClientNotFound."""
        rows = self._door.store.runs.find(**self._door.filtered(wanted))
        return [self._door.shown(row) for row in rows]

    def page(
        self, *, before: str | None = None, after: str | None = None, limit: int = 50, **wanted: Any
    ) -> RunPage:
        """One page of the history, as `WantedRuns` has it; places as `RunPlace.write`.

        Raises PageGone, ClientNotFound.
        """
        page = self._door.store.history.page(
            WantedRuns(**self._door.filtered(wanted)),
            before=RunPlace.read(before) if before else None,
            after=RunPlace.read(after) if after else None,
            limit=limit,
        )
        page.rows = [self._door.shown(row) for row in page.rows]
        return page

    def get(self, run_id: int) -> Row:
        """Raises RunNotFound."""
        return self._door.shown(self._seen(run_id))

    def output(self, run_id: int, *, after: tuple[int, int] | None = None, limit: int | None = None) -> list[Row]:
        self._seen(run_id)
        return [
            self._door.shown(line)
            for line in self._door.store.jobs.output(run_id=run_id, after=after, limit=limit)
        ]

    def failures(
        self, *, client: str | None = None, task: str | None = None, since: datetime | None = None
    ) -> list[FailureGroup]:
        """Raises ClientNotFound."""
        wanted = self._door.filtered({"client": client, "task": task, "since": since})
        return [_shown(group) for group in self._door.store.failures.groups(**wanted)]

    def failure_group(self, run_id: int) -> FailureGroup:
        """The group to which this run belongs. Raises RunNotFound, also for one that has not failed."""
        self._seen(run_id)
        return _shown(self._door.store.failures.group_of(run_id, visible=self._door.visible))

    def durations(self) -> dict[str, timedelta]:
        """The usual duration of each task; worth keeping for a minute."""
        return self._door.store.estimates.durations(visible=self._door.visible)

    def _seen(self, run_id: int) -> Row:
        run = self._door.store.runs.get(run_id)
        if not self._door.sees(run["client_id"]):
            raise RunNotFound(run_id=run_id)
        return run


def _shown(group: FailureGroup) -> FailureGroup:
    return replace(group, error=redacted(group.error), pattern=redacted(group.pattern))
