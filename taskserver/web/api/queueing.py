"""Queueing: one job or many in one request, and one action on many jobs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from starlette.responses import Response

from taskserver.store import Enqueued
from taskserver.web.api.fields import Attempts, Data, Given, Id, Instant, Name, Priority, Text, Words
from taskserver.web.api.models import BulkDone, Queued, QueuedMany, Refusal
from taskserver.web.api.once import answer_once
from taskserver.web.api.routing import CONFLICT, IdempotencyKey, api_router
from taskserver.web.errors import code_of, status_of
from taskserver.web.scope import Scope
from taskserver.web.scope.jobs import MOST_AT_ONCE
from taskserver.web.visit import Visiting

router = api_router("jobs")

MOST_TO_CHANGE = 200
"""Fewer than are queued at once: each is looked at by itself, and the dispatcher waits so long on SQLite."""

Key = Annotated[Words, Field(min_length=1)]


class NewJob(Given):
    """A job to be queued."""

    task: Name = Field(description="The name of a task that a node offers; see /tasks.")
    data: Data = Field(default_factory=dict, description="The task's arguments.")
    client: Name = Field("default", description="For whom it runs.")
    title: Text = Field("", description="For people; empty: the title of the task.")
    description: Text = ""
    priority: Priority = Field(0, description="Higher runs first.")
    run_at: Instant | None = Field(None, description="Not before this; null: at once.")
    unique_key: Key | None = Field(None, description="Nothing is queued while the client has a job with this key.")
    unique_for: Literal["live", "ever"] = Field(
        "live",
        description="Among which jobs the key is unique: those that have not ended, or all ever.",
    )
    max_attempts: Attempts | None = Field(None, description="null: as the task has it.")
    node_id: Name | None = Field(None, description="The only node that may run it.")
    active: bool = Field(True, description="False: it starts only by hand.")


class NewJobs(Given):
    """Jobs to be queued: all of them, or none."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MOST_AT_ONCE)


class OneByOne(Given):
    """One action on these jobs; one that can't be done keeps no other back."""

    action: Literal["start", "stop", "kill", "delete"]
    jobs: list[Id] = Field(min_length=1, max_length=MOST_TO_CHANGE)


class Everything(Given):
    """One action on all jobs of a client, or of every client in which the caller is an operator."""

    action: Literal["delete-finished", "delete-all"] = Field(
        description="delete-all asks running jobs to stop. Cron entries stay."
    )
    client: Name | None = None


def _shape(given: Any) -> str:
    return "(many)" if isinstance(given, NewJobs) or (isinstance(given, dict) and "jobs" in given) else "(one)"


def _kind(given: Any) -> str:
    action = given.get("action") if isinstance(given, dict) else getattr(given, "action", None)
    return "(all)" if action in ("delete-finished", "delete-all") else "(each)"


OneOrMany = Annotated[Annotated[NewJob, Tag("(one)")] | Annotated[NewJobs, Tag("(many)")], Discriminator(_shape)]
Bulk = Annotated[Annotated[OneByOne, Tag("(each)")] | Annotated[Everything, Tag("(all)")], Discriminator(_kind)]


@router.post(
    "/jobs",
    summary="Queue one job or many",
    status_code=201,
    response_model=Queued | QueuedMany,
    responses={**CONFLICT, 200: {"description": "The unique_key was there already: nothing is new."}},
)
def enqueue(visit: Visiting, given: OneOrMany, idempotency_key: IdempotencyKey = None) -> Response:
    """One job as an object, or many as `{"jobs": [...]}`: all of them, or none."""

    def act(scope: Scope) -> Queued | QueuedMany:
        if isinstance(given, NewJob):
            return _told(_queue(scope, given))
        return QueuedMany(jobs=list(_queue_many(scope, given.jobs)))

    def status(told: Queued | QueuedMany) -> int:
        queued = [told] if isinstance(told, Queued) else told.jobs
        return 201 if any(each.created for each in queued) else 200

    def location(told: Queued | QueuedMany) -> str | None:
        return f"/api/v1/jobs/{told.id}" if isinstance(told, Queued) else None

    return answer_once(visit, idempotency_key, given, act, status=status, location=location)


@router.post("/jobs/bulk", summary="Start, stop, kill or delete many jobs", response_model=BulkDone)
def bulk(visit: Visiting, given: Bulk, idempotency_key: IdempotencyKey = None) -> Response:
    def act(scope: Scope) -> BulkDone:
        if isinstance(given, Everything):
            verb = scope.jobs.delete_all if given.action == "delete-all" else scope.jobs.delete_finished
            return BulkDone(count=verb(given.client), done=[], refused=[])
        result = scope.jobs.bulk(given.action, given.jobs)
        refused = [
            Refusal(id=job_id, status=status_of(error), code=code_of(error), detail=error.message())
            for job_id, error in result.failed.items()
        ]
        return BulkDone(count=len(result.done), done=result.done, refused=refused)

    return answer_once(visit, idempotency_key, given, act, status=200)


def _queue(scope: Scope, job: NewJob) -> Enqueued:
    return scope.jobs.enqueue(**dict(job))


def _queue_many(scope: Scope, jobs: list[NewJob]) -> Iterator[Queued]:
    """Jobs that differ in their data alone are queued by one statement."""
    for alike, group in groupby(jobs, key=_columns):
        columns = dict(alike)
        several = list(group)
        if (
            len(several) == 1
            or columns["unique_key"] is not None
            or columns["description"]
            or not columns["active"]
        ):
            yield from (_told(_queue(scope, job)) for job in several)
            continue
        for name in ("unique_key", "unique_for", "description", "active"):
            del columns[name]
        ids = scope.jobs.enqueue_many(data=[job.data for job in several], **columns)
        yield from (Queued(id=job_id, created=True) for job_id in ids)


def _columns(job: NewJob) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in job if name != "data")


def _told(queued: Enqueued) -> Queued:
    return Queued(id=queued.id, created=queued.created)
