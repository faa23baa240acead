"""Clients: whose jobs they are, and under whom they run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from taskserver.web.api.fields import BIGGEST_INTEGER, Given, Limit, LongCursor, Name, PathName, Text
from taskserver.web.api.models import Client, Clients
from taskserver.web.api.once import answer_once
from taskserver.web.api.routing import CONFLICT, IdempotencyKey, api_router
from taskserver.web.cursors import around, key_in, shown, word_of
from taskserver.web.scope import Scope
from taskserver.web.visit import Visiting

router = api_router("clients")

Parallel = Annotated[int, Field(ge=1, le=BIGGEST_INTEGER)]


class NewClient(Given):
    """A client to be added."""

    name: Name
    login: Name | None = Field(None, description="Under whom its jobs run; null: none of them runs.")
    title: Text = ""
    max_parallel: Parallel | None = Field(None, description="So many of its jobs run at once; null: no limit.")


class ClientChanges(Given):
    """The fields that are to be different; what is not named stays."""

    login: Name | None = Field(None, description="null: the task server no longer works for it.")
    title: Text | None = None
    max_parallel: Parallel | None = Field(None, description="null: no limit.")


@router.get("/clients", summary="List clients")
def find(visit: Visiting, after: LongCursor = None, before: LongCursor = None, limit: Limit = 50) -> Clients:
    """By name."""
    at = around(after, before, lambda word: str(key_in(word, str)[0]))
    rows = visit.scope.clients.find(after=at.after, before=at.before, limit=limit + 1)
    page = shown(rows, limit, at, lambda row: word_of(row["name"]))
    return Clients(
        clients=[Client.model_validate(row) for row in page.rows], next=page.next, previous=page.previous
    )


@router.post("/clients", summary="Add a client", status_code=201, response_model=Client, responses=CONFLICT)
def add(visit: Visiting, given: NewClient, idempotency_key: IdempotencyKey = None) -> Response:
    """Needs an administrator for all clients."""

    def act(scope: Scope) -> Client:
        return Client.model_validate(scope.clients.add(**dict(given)))

    return answer_once(visit, idempotency_key, given, act)


@router.get("/clients/{name}", summary="Get a client")
def get(visit: Visiting, name: PathName) -> Client:
    return Client.model_validate(visit.scope.clients.get(name))


@router.patch("/clients/{name}", summary="Change a client", responses=CONFLICT)
def edit(visit: Visiting, name: PathName, given: ClientChanges) -> Client:
    """Needs an administrator of the client."""

    def act(scope: Scope) -> Client:
        named = given.model_fields_set
        changed = {field: getattr(given, field) for field in named & {"title", "max_parallel"}}
        if changed.get("title", "") is None:
            del changed["title"]
        scope.clients.edit(name, **changed)
        if "login" in named:
            scope.clients.set_login(name, given.login)
        return Client.model_validate(scope.clients.get(name))

    scope = visit.scope
    told: list[Client] = []
    scope.once(None, [], lambda: told.append(act(scope)))
    return told[0]


@router.delete("/clients/{name}", summary="Delete a client", status_code=204, responses=CONFLICT)
def delete(visit: Visiting, name: PathName) -> None:
    """Needs an administrator for all clients, and a client without jobs and cron entries. Its runs stay."""
    visit.scope.clients.delete(name)
