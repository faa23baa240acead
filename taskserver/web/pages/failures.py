"""Failures that are the same but for their numbers, in groups; a group's runs, and all of its jobs again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from taskserver.store import Role
from taskserver.store.failures import LOOKED_AT
from taskserver.texts import plural, translate
from taskserver.web import filters
from taskserver.web.pages import page_router
from taskserver.web.scope.jobs import MOST_AT_ONCE, BulkResult
from taskserver.web.visit import Visiting

router = page_router()

DAYS = (1, 7, 30)
RUNS_SHOWN = 100
GROUPS_SHOWN = 200

Word = Annotated[str, Query(max_length=1000)]


@router.get("/failures")
def failures(visit: Visiting, task: Word = "", client: Word = "", days: Word = "") -> Response:
    since = None
    if (count := filters.number(days)) in DAYS:
        since = visit.now - timedelta(days=count or 0)
    groups = visit.scope.runs.failures(client=filters.words(client), task=filters.words(task), since=since)
    return visit.render(
        "failures.html",
        groups=groups[:GROUPS_SHOWN],
        left_out=max(len(groups) - GROUPS_SHOWN, 0),
        looked_at=LOOKED_AT if sum(group.count for group in groups) >= LOOKED_AT else None,
        shown={"task": task, "client": client, "days": days},
        days=DAYS,
        tasks=sorted({row["name"] for row in visit.scope.server.tasks()} | {group.task for group in groups}),
        clients=visit.scope.clients.find(counted=False),
    )


@router.get("/failures/{run_id:number}")
def group(visit: Visiting, run_id: int) -> Response:
    """The group to which this run belongs."""
    found = visit.scope.runs.failure_group(run_id)
    return visit.render(
        "failure.html",
        group=found,
        run_id=run_id,
        runs=[visit.scope.runs.get(each) for each in found.run_ids[:RUNS_SHOWN]],
        most=MOST_AT_ONCE,
        may_retry=visit.scope.principal.may_somewhere(Role.OPERATOR),
    )


@router.post("/failures/{run_id:number}/retry")
def retry(visit: Visiting, run_id: int) -> Response:
    """Starts every job of the group again that is failed still, where the reader may do that."""

    def start() -> BulkResult:
        found = visit.scope.runs.failure_group(run_id)
        result = visit.scope.jobs.bulk("start", found.again[:MOST_AT_ONCE])
        if result.failed and not result.done:
            raise next(iter(result.failed.values()))
        return result

    def told(result: BulkResult) -> str:
        text = plural("{count} job starts again.", "{count} jobs start again.", len(result.done))
        if result.failed:
            left = plural(
                "{count} job is left as it is: {reason}",
                "{count} jobs are left as they are: {reason}",
                len(result.failed),
                reason=next(iter(result.failed.values())).message(),
            )
            return translate("{one} {other}", one=text, other=left)
        return text

    return visit.attempt(start, told=told, back=f"/failures/{run_id}")
