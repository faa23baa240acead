"""Runs: the permanent record of what was executed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from taskserver.web.api.fields import By, ById, Cursor, Instant, Limit, PathId, Search
from taskserver.web.api.jobs import After, Lines, place
from taskserver.web.api.models import ListedRun, Output, Run, Runs
from taskserver.web.api.routing import api_router
from taskserver.web.cursors import around
from taskserver.web.visit import Visiting

router = api_router("runs")

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
    after: Cursor = None,
    before: Cursor = None,
    limit: Limit = 50,
) -> Runs:
    """The one that ended last first. Only runs that have ended: a job that runs is in the list of jobs.

    A page takes a second at most. If less than `limit` was found by then, `next` goes on where the search stopped.
    """
    at = around(after, before, str)
    page = visit.scope.runs.page(
        client=client,
        status=status,
        of_task=task,
        node=node,
        job=job_id,
        entry=cron_entry_id,
        text=text,
        result=result,
        error=error,
        since=since,
        until=until,
        before=at.after,
        after=at.before,
        limit=limit,
    )
    return Runs(
        runs=[ListedRun.model_validate(row) for row in page.rows],
        next=page.older.write() if page.older else None,
        previous=page.newer.write() if page.newer else None,
    )


@router.get("/runs/{run_id:number}", summary="Get a run")
def get(visit: Visiting, run_id: PathId) -> Run:
    return Run.model_validate(visit.scope.runs.get(run_id))


@router.get("/runs/{run_id:number}/output", summary="Read the output of a run")
def output(visit: Visiting, run_id: PathId, after: After = None, limit: Lines = 1000) -> Output:
    return Output.of(visit.scope.runs.output(run_id, after=place(after), limit=limit), after)
