"""From an error to an answer: a page for people, problem+json for programs, and never more than its sentence.

The one place that knows which error has which HTTP status.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from taskserver.database import VALUE_REFUSED, DatabaseUnavailable
from taskserver.errors import NotAllowed, NotFound, TaskServerError, UsageError
from taskserver.store.errors import KeyReused, NotJson
from taskserver.tasks.errors import InvalidArguments
from taskserver.texts import mark, translate
from taskserver.web.security.csrf import SAFE_METHODS
from taskserver.web.security.throttle import TooManyAttempts
from taskserver.web.security.tokens import is_offered

if TYPE_CHECKING:
    from taskserver.web.visit import Visit

log = logging.getLogger("taskserver.web")

API = "/api/"
WATCHED = frozenset({"/healthz", "/readyz", "/metrics"})
_MOST_FAULTS = 10
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
PART_HEADER = "x-part"


class NotSignedIn(NotAllowed):
    text = mark("sign in first")


class CrossSite(NotAllowed):
    text = mark(
        "this request comes from another site; if a reverse proxy stands before the console, set public_url to "
        "the address that people type"
    )


class FormExpired(NotAllowed):
    text = mark("this form is no longer valid; load the page again and send it once more")


class BadRequest(UsageError):
    text = mark("{what} is missing or is not what it must be")


class NotKept(UsageError):
    text = mark("a value is too large, or holds a character that no database keeps")


STATUSES: tuple[tuple[type[TaskServerError], HTTPStatus], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (DatabaseUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotJson, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidArguments, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.BAD_REQUEST),
)
"""The first that fits counts; any other TaskServerError is a conflict with how things are: 409."""

_HEADINGS = {
    HTTPStatus.BAD_REQUEST: mark("That was not understood"),
    HTTPStatus.UNAUTHORIZED: mark("Sign in"),
    HTTPStatus.FORBIDDEN: mark("Not allowed"),
    HTTPStatus.NOT_FOUND: mark("Not found"),
    HTTPStatus.METHOD_NOT_ALLOWED: mark("Not allowed"),
    HTTPStatus.CONFLICT: mark("Not possible now"),
    HTTPStatus.UNPROCESSABLE_ENTITY: mark("That was not understood"),
    HTTPStatus.TOO_MANY_REQUESTS: mark("Too many attempts"),
    HTTPStatus.INTERNAL_SERVER_ERROR: mark("Something went wrong"),
    HTTPStatus.SERVICE_UNAVAILABLE: mark("Not available"),
}


def status_of(error: TaskServerError) -> HTTPStatus:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.CONFLICT)


def answer_to(error: Exception, visit: Visit) -> Response:
    """The answer that the request of `visit` gets. What nobody foresaw goes to the log with its traceback."""
    if isinstance(error, NotSignedIn):
        return _to_the_login(error, visit)
    more: dict[str, Any] = {}
    if isinstance(error, VALUE_REFUSED):
        error = NotKept()
    if isinstance(error, TaskServerError):
        status, sentence = status_of(error), error.message()
        _log(status, error, visit)
    elif isinstance(error, RequestValidationError):
        faults = _faults(error, visit)
        what = ", ".join(dict.fromkeys(fault["field"] for fault in faults))
        status, sentence = HTTPStatus.BAD_REQUEST, BadRequest(what=what).message()
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_api(visit) else status
        more["errors"] = faults
    elif isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        sentence = _plain_sentence(status)
    else:
        log.error("%s: %s", type(error).__name__, error, exc_info=error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        sentence = translate("the log has the details under the number {number}", number=number_of(visit))
    headers = dict(getattr(error, "headers", None) or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _methods(visit) or headers.get("Allow", "")
    if isinstance(error, TaskServerError):
        more["code"] = code_of(error)
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.fields["seconds"])
    return _written(visit, status, sentence, headers, **more)


def code_of(error: TaskServerError) -> str:
    """`JobNotFound` -> `job-not-found`: for programs, since sentences are translated."""
    return _CAPITAL.sub("-", type(error).__name__).lower()


def is_api(visit: Visit) -> bool:
    return visit.path.startswith(API)


def is_for_programs(visit: Visit) -> bool:
    """Whether what is asked for is no page, and no part of the API either."""
    return visit.path in WATCHED


def number_of(visit: Visit) -> str:
    """The number of the request, under which the log has it."""
    return str(visit.request.scope.get("taskserver_request", ""))


def problem(status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """RFC 9457."""
    detail = sentence.encode("utf-8", "backslashreplace").decode()  # half a character stands in no answer
    document = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **more}
    return JSONResponse(document, int(status), headers, media_type="application/problem+json")


def _written(visit: Visit, status: HTTPStatus, sentence: str, headers: dict[str, str], **more: Any) -> Response:
    if is_api(visit):
        return problem(status, sentence, headers, **more)
    if is_for_programs(visit):
        return Response(f"{sentence}\n", int(status), headers, media_type="text/plain")
    heading = translate(_HEADINGS.get(status, status.phrase))
    try:
        response = visit.render("error.html", status=int(status), heading=heading, sentence=sentence)
    except Exception:
        if status is not HTTPStatus.SERVICE_UNAVAILABLE:
            log.exception("the page of an error could not be made")
        response = Response(f"{heading}: {sentence}\n", int(status), media_type="text/plain")
    response.headers.update(headers)
    return response


def _to_the_login(error: NotSignedIn, visit: Visit) -> Response:
    if is_api(visit):
        headers = {"WWW-Authenticate": "Bearer"}
        return problem(HTTPStatus.UNAUTHORIZED, error.message(), headers, code=code_of(error))
    if is_for_programs(visit):
        return _written(visit, HTTPStatus.UNAUTHORIZED, error.message(), {"WWW-Authenticate": "Bearer"})
    request, authorization = visit.request, visit.request.headers.get("authorization")
    if request.method not in SAFE_METHODS or PART_HEADER in request.headers or is_offered(authorization):
        return _written(visit, HTTPStatus.UNAUTHORIZED, error.message(), {})
    wanted = visit.path + (f"?{request.url.query}" if request.url.query else "")
    there = visit.url("/login", next=wanted if wanted != "/" else None)
    return visit.sealed(RedirectResponse(there, status_code=303))


def _methods(visit: Visit) -> str:
    """All that the address takes: Starlette names those of one route alone."""
    routes = getattr(visit.request.app.state, "routes", ())
    found = (route.methods for route in routes if route.path_regex.match(visit.path))
    return ", ".join(sorted(frozenset().union(*found)))


def _plain_sentence(status: HTTPStatus) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return translate("there is no such page")
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return translate("this address does not take such a request")
    return status.phrase


def _faults(error: RequestValidationError, visit: Visit) -> list[dict[str, str]]:
    kind = visit.request.headers.get("content-type", "")
    if isinstance(error.body, bytes) and "json" not in kind:  # else FastAPI only says that it is no object
        return [{"field": "Content-Type", "message": f"must be application/json, not {kind[:100]!a}"}]
    return [{"field": _place(each), "message": str(each["msg"])[:200]} for each in error.errors()[:_MOST_FAULTS]]


def _place(fault: Any) -> str:
    """The name of what is at fault; "(one)" and the like are the API's own words for the shape of a body."""
    parts = [str(part) for part in fault["loc"][1:] if not str(part).startswith("(")]
    name = ".".join(parts) or "body"
    return name[:80].encode("utf-8", "backslashreplace").decode()


def _log(status: HTTPStatus, error: TaskServerError, visit: Visit) -> None:
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        who = visit.principal.actor if visit.principal else "a stranger"
        log.warning("refused: %s from %s: %s", who, visit.source, error)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("%s", error)
