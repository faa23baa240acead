"""What one listener is told: the jobs that are different from what it was told before. Knows nothing of HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from taskserver.store import Changed
from taskserver.store.errors import PageGone
from taskserver.web.api.models import Job
from taskserver.web.scope import Scope

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TELLS = (
    *("status", "ready", "progress", "detail", "priority", "position", "claim", "error", "active", "attempt"),
    *("next_run_at", "delete_requested_at"),
)

Row = dict[str, Any]


class Feed:
    """`resumed`: the id of the last event that the listener got before; None: it wants only what comes.

    A listener that comes again is told of some jobs twice: an event says how a job is, not what to do with it.
    """

    def __init__(self, scope: Scope, now: datetime, resumed: str | None = None) -> None:
        self._scope = scope
        self._moment = now if resumed is None else _instant(resumed)
        self._silent = resumed is None
        self._told: dict[int, tuple[Any, ...]] = {}
        self._told_gone: set[int] = set()

    def look(self) -> list[str]:
        """The events since the last look, as they go over the wire."""
        followed = [job_id for job_id, state in self._told.items() if _is_followed(state)]
        changed = self._scope.jobs.changes(self._moment, known=followed)
        self._moment = changed.until
        if changed.too_many:
            self._told, self._told_gone, self._silent = {}, set(), False
            return [self._event("reload", {})]
        events = [] if self._silent else list(self._differences(changed))
        self._silent = False
        self._told = {row["id"]: _state(row) for row in changed.rows}
        self._told_gone = set(changed.gone)
        return events

    def _differences(self, changed: Changed) -> list[str]:
        fresh = [row for row in changed.rows if self._told.get(row["id"]) != _state(row)]
        return [
            *(self._event("job", Job.of(row).model_dump(mode="json")) for row in sorted(fresh, key=_number)),
            *(self._event("gone", {"id": job_id}) for job_id in changed.gone if job_id not in self._told_gone),
        ]

    def _event(self, kind: str, told: dict[str, Any]) -> str:
        number = (self._moment - _BEGINNING) // timedelta(microseconds=1)
        return f"id: {number}\nevent: {kind}\ndata: {json.dumps(told)}\n\n"


def _instant(event_id: str) -> datetime:
    """The moment of an event. Raises PageGone for what is no id of one."""
    try:
        moment = _BEGINNING + timedelta(microseconds=int(event_id))
    except (ValueError, OverflowError):
        raise PageGone() from None
    if moment.year > 9000:
        raise PageGone()
    return moment


def _state(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _TELLS)


def _is_followed(state: tuple[Any, ...]) -> bool:
    """Runs, or was started by hand: where it goes from there nothing else tells."""
    seen = dict(zip(_TELLS, state, strict=True))
    return seen["claim"] is not None or seen["ready"] == 2


def _number(row: Row) -> int:
    return int(row["id"])
