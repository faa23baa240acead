"""Answers of requests that make something: done once however often they are sent with one Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from taskserver.web.scope import Scope
from taskserver.web.visit import Visit


def answer_once(
    visit: Visit,
    key: str | None,
    given: BaseModel | None,
    act: Callable[[Scope], BaseModel],
    *,
    status: int | Callable[[Any], int] = 201,
    location: Callable[[Any], str | None] = lambda told: None,
) -> Response:
    """What `act` tells, as JSON; with a key that was used before: what it told then.

    All that `act` does in its scope is one transaction, together with the key.
    """
    scope = visit.scope
    request = [
        visit.request.method,
        visit.path,
        given.model_dump(mode="json", exclude_unset=True) if given else None,
    ]

    def done() -> dict[str, Any]:
        told = act(scope)
        return {
            "status": status(told) if callable(status) else status,
            "location": location(told),
            "body": told.model_dump(mode="json"),
        }

    answer, replayed = scope.once(key, request, done)
    response = JSONResponse(answer["body"], answer["status"])
    if answer["location"]:
        response.headers["location"] = visit.url(answer["location"])
    if replayed:
        response.headers["idempotency-replayed"] = "true"
    return response
