"""Jobs: queue them, look at them, steer them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from taskserver.store.errors import PageGone
from taskserver.web.advice import sentence
from taskserver.web.api.fields import (
    Attempts,
    By,
    ById,
    Cursor,
    Data,
    Given,
    Limit,
    PathId,
    Priority,
    Search,
    Text,
)
from taskserver.web.api.models import Deleted, Explanation, Job, Jobs, Output, Queued, Reason
from taskserver.web.api.once import answer_once
from taskserver.web.api.routing import CONFLICT, IdempotencyKey, api_router
from taskserver.web.scope import Scope
from taskserver.web.visit import Visiting

router = api_router("jobs")

Statuses = Annotated[
    list[Literal["waiting", "running", "stopping", "stopped", "finished", "failed"]] | None,
    Query(description="Only those with one of these.", max_length=6),
]
After = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,18}-[0-9]{1,9}$", description="`next` of an earlier answer: only what came since."),
]
Lines = Annotated[int, Query(ge=1, le=10_000, description="The most lines of an answer.")]


class Changes(Given):
    """What is to be different in the new job."""

    data: Data | None = Field(None, description="Its arguments; a secret that is left as *** stays what it was.")
    title: Text | None = None
    description: Text | None = None
    priority: Priority | None = None
    max_attempts: Attempts | None = None


@router.get("/jobs", summary="List jobs")
def find(
    visit: Visiting,
    client: By = None,
    status: Statuses = None,
    task: By = None,
    cron_entry_id: ById = None,
    text: Search = None,
    after: Cursor = None,
    before: Cursor = None,
    limit: Limit = 50,
) -> Jobs:
    """In the order in which they will start; ended ones last, the newest first."""
    if after and before:
        raise PageGone()
    page = visit.scope.jobs.page(
        client=client,
        status=status,
        task=task,
        entry=cron_entry_id,
        text=text,
        after=after,
        before=before,
        limit=limit,
    )
    return Jobs(
        jobs=[Job.of(row) for row in page.rows],
        next=page.after.write() if page.after else None,
        previous=page.before.write() if page.before else None,
    )


@router.get("/jobs/{job_id:number}", summary="Get a job")
def get(visit: Visiting, job_id: PathId) -> Job:
    """When the job was deleted its last run answers, and `gone` is true."""
    return Job.of(visit.scope.jobs.get(job_id))


@router.delete("/jobs/{job_id:number}", summary="Delete a job", responses=CONFLICT)
def delete(visit: Visiting, job_id: PathId) -> Deleted:
    """One that runs is asked to stop and goes when it has ended. Its runs stay."""
    return Deleted(id=job_id, gone=visit.scope.jobs.delete(job_id))


@router.get("/jobs/{job_id:number}/log", summary="Read the output of a job")
def log(visit: Visiting, job_id: PathId, after: After = None, limit: Lines = 1000) -> Output:
    """Of all of its runs, in their order; also while it runs."""
    return Output.of(visit.scope.jobs.output(job_id, after=place(after), limit=limit), after)


@router.get("/jobs/{job_id:number}/explain", summary="Ask why a job does not run")
def explain(visit: Visiting, job_id: PathId) -> Explanation:
    findings = visit.scope.jobs.explain(job_id)
    return Explanation(id=job_id, reasons=[Reason(code=each.code, text=sentence(each)) for each in findings])


@router.post("/jobs/{job_id:number}/start", summary="Start a job by hand", responses=CONFLICT)
def start(visit: Visiting, job_id: PathId) -> Job:
    """A waiting one comes before all others, also while auto-start is off; one that has ended runs again."""
    return _after(visit.scope, "start", job_id)


@router.post("/jobs/{job_id:number}/stop", summary="Stop a job", responses=CONFLICT)
def stop(visit: Visiting, job_id: PathId) -> Job:
    """A waiting one is stopped at once, a running one is asked to: its status is `stopping` until it has ended."""
    return _after(visit.scope, "stop", job_id)


@router.post("/jobs/{job_id:number}/kill", summary="Kill a job's command", responses=CONFLICT)
def kill(visit: Visiting, job_id: PathId) -> Job:
    """Only commands can be killed; a Python task can only be asked to stop."""
    return _after(visit.scope, "kill", job_id)


@router.post(
    "/jobs/{job_id:number}/retry",
    summary="Queue a job once more",
    status_code=201,
    response_model=Queued,
    responses=CONFLICT,
)
def retry(
    visit: Visiting, job_id: PathId, changes: Changes | None = None, idempotency_key: IdempotencyKey = None
) -> Response:
    """A new job like this one, with other data where some is given. `start` lets the same job run again."""

    def act(scope: Scope) -> Queued:
        queued = scope.jobs.enqueue_again(job_id, **_like(scope.jobs.get(job_id), changes or Changes(data=None)))
        return Queued(id=queued.id, created=queued.created)

    return answer_once(visit, idempotency_key, changes, act, location=lambda told: f"/api/v1/jobs/{told.id}")


@router.post("/jobs/{job_id:number}/move-up", summary="Move a waiting job up", responses=CONFLICT)
def move_up(visit: Visiting, job_id: PathId) -> Job:
    """Before the waiting job of its client that stands ahead of it."""
    return _after(visit.scope, "move", job_id, "up")


@router.post("/jobs/{job_id:number}/move-down", summary="Move a waiting job down", responses=CONFLICT)
def move_down(visit: Visiting, job_id: PathId) -> Job:
    """Behind the waiting job of its client that stands after it."""
    return _after(visit.scope, "move", job_id, "down")


def place(after: str | None) -> tuple[int, int] | None:
    """The run and the number of the last line that was seen."""
    if after is None:
        return None
    run_id, seq = after.split("-")
    return int(run_id), int(seq)


def _after(scope: Scope, verb: str, job_id: int, *arguments: str) -> Job:
    getattr(scope.jobs, verb)(job_id, *arguments)
    return Job.of(scope.jobs.get(job_id))


def _like(job: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """What the new job has of the old one, and what is different."""
    same = {name: job[name] for name in ("description", "priority", "max_attempts") if job.get(name) is not None}
    if not job["gone"]:
        same["node_id"] = job["node_id"]
    if changes.data is None:
        same["title"] = job["title"] or ""
    given = changes.model_dump(exclude_none=True)
    data = job["data"] if isinstance(job["data"], dict) else {}
    return {"data": data, **same, **given}
