"""Runs: the permanent record of what was executed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from taskserver.store.errors import PageGone
from taskserver.web.api.fields import BIGGEST, By, ById, Instant, Limit, PathId, Search
from taskserver.web.api.jobs import After, Lines, place
from taskserver.web.api.models import Output, Run, Runs
from taskserver.web.api.routing import api_router
from taskserver.web.cursors import around, shown
from taskserver.web.visit import Visiting

router = api_router("runs")

Page = Annotated[str | None, Query(pattern=r"^r[0-9]{1,19}$", description="As the last page gave it.")]
Ended = Annotated[Literal["finished", "failed", "stopped", "lost"] | None, Query(description="How it ended.")]
Since = Annotated[Instant | None, Query(description="Only those that ended then or later.")]
Until = Annotated[Instant | None, Query(description="Only those that ended before.")]


@router.get("/runs", summary="List runs")
def find(
    visit: Visiting,
    client: By = None,
    status: Ended = None,
    task: By = None,
    node: By = None,
    job_id: ById = None,
    cron_entry_id: ById = None,
    text: Search = None,
    result: Search = None,
    error: Search = None,
    since: Since = None,
    until: Until = None,
    after: Page = None,
    before: Page = None,
    limit: Limit = 50,
) -> Runs:
    """The newest first. Only runs that have ended: a job that runs is in the list of jobs."""
    at = around(after, before, _number)
    rows = visit.scope.runs.find(
        client=client,
        status=status,
        task=task,
        node=node,
        job_id=job_id,
        cron_entry_id=cron_entry_id,
        text=text,
        result=result,
        error=error,
        since=since,
        until=until,
        before_id=at.after,
        after_id=at.before,
        limit=limit + 1,
    )
    page = shown(rows, limit, at, lambda row: f"r{row['id']}")
    return Runs(runs=[Run.model_validate(row) for row in page.rows], next=page.next, previous=page.previous)


@router.get("/runs/{run_id:number}", summary="Get a run")
def get(visit: Visiting, run_id: PathId) -> Run:
    return Run.model_validate(visit.scope.runs.get(run_id))


@router.get("/runs/{run_id:number}/output", summary="Read the output of a run")
def output(visit: Visiting, run_id: PathId, after: After = None, limit: Lines = 1000) -> Output:
    return Output.of(visit.scope.runs.output(run_id, after=place(after), limit=limit), after)


def _number(cursor: str) -> int:
    number = int(cursor[1:])
    if number > BIGGEST:
        raise PageGone()
    return number
