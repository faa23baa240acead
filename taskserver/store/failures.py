"""Failures that are the same but for their numbers: runs that failed, grouped by task and error."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, text

from taskserver.database import Database
from taskserver.database.schema import clients, jobs, runs
from taskserver.jobs import Status
from taskserver.store.errors import RunNotFound

LOOKED_AT = 5000
"""So many of the newest failures are grouped; a list of older ones helps nobody."""

_LONGEST = 400
_AT_ONCE = 500

# Literally as in the index.
_FAILED = "runs.status IN ('failed', 'lost', 'failure')"

_MASKS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "…"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "…"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "…"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)


@dataclass(slots=True)
class FailureGroup:
    """`error` is the newest one's first line, `pattern` what all have in common."""

    task: str
    pattern: str
    error: str
    count: int
    first_at: datetime | None
    last_at: datetime | None
    last_run_id: int
    last_job_id: int
    clients: set[str]
    run_ids: list[int] = field(default_factory=list)
    """The newest first."""
    again: list[int] = field(default_factory=list)
    """Jobs of these runs that are failed still, so that they can be started again; only `group_of` looks."""


def normalised(error: str | None) -> str:
    """The first line with numbers and ids masked: two errors that differ in these alone are one."""
    line = next((line.strip() for line in (error or "").splitlines() if line.strip()), "")[:_LONGEST]
    for mask, sign in _MASKS:
        line = mask.sub(sign, line)
    return line


class Failures:
    """`store.failures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def groups(
        self,
        *,
        visible: Collection[int] | None = None,
        client: str | None = None,
        task: str | None = None,
        since: datetime | None = None,
    ) -> list[FailureGroup]:
        """The newest LOOKED_AT failures in groups, the one that failed last first. `visible`: ids of clients."""
        wanted: list[ColumnElement[bool]] = []
        if visible is not None:
            wanted.append(runs.c.client_id.in_(list(visible)))
        if client is not None:
            wanted.append(clients.c.name == client)
        if task is not None:
            wanted.append(runs.c.task == task)
        if since is not None:
            wanted.append(runs.c.finished_at >= since)
        query = (
            select(
                runs.c.id,
                runs.c.job_id,
                runs.c.task,
                runs.c.finished_at,
                func.substr(runs.c.error, 1, _LONGEST).label("error"),
                clients.c.name.label("client"),
            )
            .outerjoin(clients, clients.c.id == runs.c.client_id)
            .where(text(_FAILED), *wanted)
            .order_by(runs.c.id.desc())
            .limit(LOOKED_AT)
        )
        groups: dict[tuple[str, str], FailureGroup] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                _add(groups, row)
        return list(groups.values())

    def group_of(self, run_id: int, *, visible: Collection[int] | None = None) -> FailureGroup:
        """The group of this run among the newest LOOKED_AT failures of its task. Raises RunNotFound."""
        with self._database.read() as connection:
            failed = (runs.c.id == run_id) & text(_FAILED)
            run = connection.execute(select(runs.c.task, runs.c.error).where(failed)).first()
        if run is None:
            raise RunNotFound(run_id=run_id)
        pattern = normalised(run.error)
        found = next(
            (group for group in self.groups(visible=visible, task=run.task) if group.pattern == pattern), None
        )
        if found is None:
            raise RunNotFound(run_id=run_id)
        with self._database.read() as connection:
            for some in (found.run_ids[at : at + _AT_ONCE] for at in range(0, found.count, _AT_ONCE)):
                query = select(jobs.c.id).join(runs, runs.c.job_id == jobs.c.id)
                still = (jobs.c.status == Status.FAILED) & (jobs.c.type == "once")
                found.again += connection.execute(query.where(runs.c.id.in_(some), still)).scalars()
        found.again = list(dict.fromkeys(found.again))
        return found


def _add(groups: dict[tuple[str, str], FailureGroup], row: Any) -> None:
    key = (row.task, normalised(row.error))
    group = groups.get(key)
    if group is None:
        shown = next((line.strip() for line in (row.error or "").splitlines() if line.strip()), "")
        group = groups[key] = FailureGroup(
            *key,
            error=shown,
            count=0,
            first_at=row.finished_at,
            last_at=row.finished_at,
            last_run_id=row.id,
            last_job_id=row.job_id,
            clients=set(),
        )
    group.count += 1
    group.run_ids.append(row.id)
    group.first_at = row.finished_at or group.first_at  # rows come newest first
    if row.client is not None:
        group.clients.add(row.client)
