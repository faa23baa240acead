"""Cron entries: list, change, run, pause; and what an expression means before anything depends on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from taskserver import cron
from taskserver.store.entries import Key, key_of
from taskserver.texts import language
from taskserver.web.api.fields import (
    Attempts,
    By,
    Data,
    Given,
    Limit,
    LongCursor,
    Name,
    PathId,
    Priority,
    Text,
    Words,
)
from taskserver.web.api.models import Entries, Entry, Queued, SchedulePreview, Trap
from taskserver.web.api.once import answer_once
from taskserver.web.api.routing import CONFLICT, IdempotencyKey, api_router
from taskserver.web.cursors import around, key_in, shown, word_of
from taskserver.web.scope import Scope
from taskserver.web.visit import Visit, Visiting

router = api_router("cron entries")

Spec = Annotated[Words, Field(min_length=1, description="Five fields, or @daily or the like.")]
Zone = Annotated[Words, Field(min_length=1, description="As Europe/Berlin. Default: that of the task server.")]
Count = Annotated[int, Query(ge=0, le=100, description="How many of the next due times.")]


class NewEntry(Given):
    """A cron entry to be made."""

    name: Name
    task: Name = Field(description="The name of a task that a node offers; see /tasks.")
    cron_spec: Spec
    data: Data = Field(default_factory=dict, description="The task's arguments.")
    client: Name = "default"
    time_zone: Zone | None = None
    title: Text = ""
    description: Text = ""
    misfire: Literal["once", "all", "skip"] = Field("once", description="What becomes of missed due times.")
    overlap: Literal["skip", "queue"] = Field("skip", description="... of one while a job of it has not ended.")
    priority: Priority = 0
    node_id: Name | None = None
    max_attempts: Attempts | None = None
    active: bool = True


class EntryChanges(Given):
    """The fields that are to be different; what is not named stays."""

    name: Name | None = None
    task: Name | None = None
    cron_spec: Spec | None = None
    data: Data | None = Field(None, description="A secret that is left as *** stays what it was.")
    time_zone: Zone | None = None
    title: Text | None = None
    description: Text | None = None
    misfire: Literal["once", "all", "skip"] | None = None
    overlap: Literal["skip", "queue"] | None = None
    priority: Priority | None = None
    node_id: Name | None = Field(None, description="null: any node.")
    max_attempts: Attempts | None = Field(None, description="null: as the task has it.")


_MAY_BE_NULL = frozenset({"node_id", "max_attempts"})


@router.get("/cron-entries", summary="List cron entries")
def find(
    visit: Visiting,
    client: By = None,
    after: LongCursor = None,
    before: LongCursor = None,
    limit: Limit = 50,
) -> Entries:
    """By client and name."""
    at = around(after, before, lambda word: cast(Key, key_in(word, str, str, int)))
    rows = visit.scope.entries.find(client, after=at.after, before=at.before, limit=limit + 1)
    page = shown(rows, limit, at, lambda row: word_of(*key_of(row)))
    return Entries(
        entries=[Entry.model_validate(row) for row in page.rows], next=page.next, previous=page.previous
    )


@router.post(
    "/cron-entries", summary="Make a cron entry", status_code=201, response_model=Entry, responses=CONFLICT
)
def add(visit: Visiting, given: NewEntry, idempotency_key: IdempotencyKey = None) -> Response:
    def act(scope: Scope) -> Entry:
        columns = dict(given) | {"time_zone": _zone(visit, given.time_zone)}
        return Entry.model_validate(scope.entries.get(scope.entries.add(**columns)))

    return answer_once(visit, idempotency_key, given, act, location=lambda told: f"/api/v1/cron-entries/{told.id}")


@router.get("/cron-entries/preview", summary="Explain a cron expression")
def preview(
    visit: Visiting,
    cron_spec: Annotated[Spec, Query()],
    time_zone: Annotated[Zone | None, Query()] = None,
    count: Count = 5,
) -> SchedulePreview:
    """Its meaning in a sentence, the next due times, and what may surprise; nothing is stored."""
    return _explained(visit, cron_spec, _zone(visit, time_zone), count)


@router.get("/cron-entries/{entry_id:number}", summary="Get a cron entry")
def get(visit: Visiting, entry_id: PathId) -> Entry:
    return Entry.model_validate(visit.scope.entries.get(entry_id))


@router.patch("/cron-entries/{entry_id:number}", summary="Change a cron entry", responses=CONFLICT)
def edit(visit: Visiting, entry_id: PathId, given: EntryChanges) -> Entry:
    changed: dict[str, Any] = {
        name: getattr(given, name)
        for name in given.model_fields_set
        if name in _MAY_BE_NULL or getattr(given, name) is not None
    }
    scope = visit.scope
    scope.entries.edit(entry_id, **changed)
    return Entry.model_validate(scope.entries.get(entry_id))


@router.delete(
    "/cron-entries/{entry_id:number}", summary="Delete a cron entry", status_code=204, responses=CONFLICT
)
def delete(visit: Visiting, entry_id: PathId) -> None:
    """Jobs that it has queued stay."""
    visit.scope.entries.delete(entry_id)


@router.get("/cron-entries/{entry_id:number}/preview", summary="Explain the schedule of a cron entry")
def preview_entry(visit: Visiting, entry_id: PathId, count: Count = 5) -> SchedulePreview:
    entry = visit.scope.entries.get(entry_id)
    return _explained(visit, entry["cron_spec"], entry["time_zone"] or "UTC", count)


@router.post(
    "/cron-entries/{entry_id:number}/run",
    summary="Queue a job of a cron entry now",
    status_code=201,
    response_model=Queued,
    responses=CONFLICT,
)
def run(visit: Visiting, entry_id: PathId, idempotency_key: IdempotencyKey = None) -> Response:
    """Before all other jobs. The schedule does not move."""

    def act(scope: Scope) -> Queued:
        return Queued(id=scope.entries.run(entry_id), created=True)

    return answer_once(visit, idempotency_key, None, act, location=lambda told: f"/api/v1/jobs/{told.id}")


@router.post("/cron-entries/{entry_id:number}/enable", summary="Resume a cron entry", responses=CONFLICT)
def enable(visit: Visiting, entry_id: PathId) -> Entry:
    """Due times that passed while it was paused are not made up for."""
    scope = visit.scope
    scope.entries.enable(entry_id)
    return Entry.model_validate(scope.entries.get(entry_id))


@router.post("/cron-entries/{entry_id:number}/disable", summary="Pause a cron entry", responses=CONFLICT)
def disable(visit: Visiting, entry_id: PathId) -> Entry:
    scope = visit.scope
    scope.entries.disable(entry_id)
    return Entry.model_validate(scope.entries.get(entry_id))


def _zone(visit: Visit, name: str | None) -> str:
    return name or visit.console.settings.time_zone


def _explained(visit: Visit, cron_spec: str, time_zone: str, count: int) -> SchedulePreview:
    found = cron.preview(cron_spec, zone=cron.check_time_zone(time_zone), after=visit.now, count=count)
    return SchedulePreview(
        cron_spec=found.cron_spec,
        time_zone=found.time_zone,
        sentence=found.sentence[language()],
        next=found.next,
        warnings=[Trap(code=each.code, text=getattr(each, language())) for each in found.warnings],
    )
