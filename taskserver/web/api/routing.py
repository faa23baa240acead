"""What every route of the API shares: where it lies, who may come, and which answers it may give."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import Request

from taskserver.web.addresses import know_numbers
from taskserver.web.request_faults import UNKNOWN_PARAMETER
from taskserver.web.security.cookies import SESSION

PREFIX = "/api/v1"


know_numbers()

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "Always about:blank: the status says what kind it is."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for people, in the language of the request."},
        "code": {"type": "string", "description": "For programs: never changes, is never translated."},
        "errors": {
            "type": "array",
            "description": "Each field (invalid-request) or argument (invalid-arguments) at fault.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_STATUSES = {
    400: "It is not understood: a cursor that continues no list, a value that means nothing.",
    401: "No token and no session, or one that is not valid.",
    403: "The role does not suffice; or a session without its CSRF token.",
    404: "There is no such thing; also for what belongs to a client that the caller can't see.",
    405: "This address does not take such a request.",
    408: "The request did not arrive in time.",
    409: "It can't be done now, as things are.",
    413: "The request is larger than task_server.console.body_limit.",
    422: "It is no JSON; a field is missing or wrong; the task does not take these arguments; or the "
    "Idempotency-Key was used for another request.",
    429: "Too many listen already; Retry-After tells when to try again.",
    503: "It can't be done or told now; under an Idempotency-Key it may be sent again later.",
}
EVERYWHERE = (400, 401, 403, 404, 408, 413, 422, 503)

_bearer = HTTPBearer(
    scheme_name="token",
    bearerFormat="tsk_...",
    description="A token of the console (Users, Tokens).",
    auto_error=False,
)
_cookie = APIKeyCookie(
    scheme_name="session",
    name=SESSION,
    description="The session of a browser; what changes something needs the header X-CSRF-Token too.",
    auto_error=False,
)


async def _only_documented(request: Request) -> None:
    """Refuses parameters that the route does not have: a filter with a typing error would find everything."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": UNKNOWN_PARAMETER, "loc": ("query", name), "ctx": {"known": known}} for name in unknown]
        )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented failures of a route."""
    return {
        status: {
            "description": _STATUSES[status],
            "content": {"application/problem+json": {"schema": PROBLEM}},
        }
        for status in statuses
    }


def api_router(tag: str) -> APIRouter:
    """A router whose routes are documented with the security and the failures that all have.

    The gate has let the caller in long before; the two schemes stand here for the document.
    """
    return APIRouter(
        prefix=PREFIX,
        tags=[tag],
        dependencies=[Security(_bearer), Security(_cookie), Depends(_only_documented)],
        responses=problems(*EVERYWHERE),
        generate_unique_id_function=lambda route: f"{tag.replace(' ', '_')}_{route.name}",
    )


CONFLICT = problems(409)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any word of your own. The same request under the same key within a day is done once, and "
        "gets the first answer again, with the header Idempotency-Replayed: true.",
    ),
]
