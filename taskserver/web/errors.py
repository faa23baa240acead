"""From an error to an answer: a page for people, problem+json for programs, and never more than its sentence.

The one place that knows which error has which HTTP status.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from taskserver.database import VALUE_REFUSED, DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError, UsageError
from taskserver.store.errors import KeyReused, NotJson
from taskserver.tasks.errors import InvalidArguments
from taskserver.texts import mark, translate
from taskserver.web.request_faults import faults_of
from taskserver.web.security.csrf import SAFE_METHODS
from taskserver.web.security.throttle import TooManyAttempts
from taskserver.web.security.tokens import is_offered

if TYPE_CHECKING:
    from taskserver.web.visit import Visit

log = logging.getLogger("taskserver.web")

API = "/api/"
WATCHED = frozenset({"/healthz", "/readyz", "/metrics"})
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
PART_HEADER = "x-part"
INVALID_REQUEST = "invalid-request"
_UNFIT = HTTPStatus.UNPROCESSABLE_ENTITY
_CODES = {
    _UNFIT: INVALID_REQUEST,
    HTTPStatus.NOT_FOUND: "no-such-page",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
}
"""Of what is refused before any of our errors can be raised."""


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
    (DatabaseFault, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotAllowed, HTTPStatus.FORBIDDEN),
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
    if isinstance(error, VALUE_REFUSED):
        error = NotKept()
    told = _told(error, visit)
    headers = dict(getattr(error, "headers", None) or {})
    if told.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _methods(visit) or headers.get("Allow", "")
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.fields["seconds"])
    return _written(visit, told, headers)


def code_of(error: TaskServerError) -> str:
    """`JobNotFound` -> `job-not-found`: for programs, since sentences are translated."""
    if isinstance(error, DatabaseFault):
        return "database-unavailable"
    return _CAPITAL.sub("-", type(error).__name__).lower()


def is_api(visit: Visit) -> bool:
    return visit.path.startswith(API)


def is_for_programs(visit: Visit) -> bool:
    """Whether what is asked for is no page, and no part of the API either."""
    return visit.path in WATCHED


def number_of(visit: Visit) -> str:
    """The number of the request, under which the log has it."""
    return str(visit.request.scope.get("taskserver_request", ""))


def problem(
    status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None, *, code: str, **more: Any
) -> JSONResponse:
    """RFC 9457."""
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": _writable(sentence),
        "code": code,
        **more,
    }
    return JSONResponse(document, int(status), headers, media_type="application/problem+json")


class _Told(NamedTuple):
    """What an answer says of an error; `errors` as a problem has them."""

    status: HTTPStatus
    code: str
    sentence: str
    errors: Sequence[dict[str, str]] = ()


def _told(error: Exception, visit: Visit) -> _Told:
    if isinstance(error, TaskServerError):
        status = status_of(error)
        _log(status, error, visit)
        faults = error.faults if isinstance(error, InvalidArguments) else ()
        errors = [_entry(fault.argument, fault.sentence()) for fault in faults]
        return _Told(status, code_of(error), visit.sentence_of(error), errors)
    if isinstance(error, RequestValidationError):
        return _told_of_unfit(error, visit)
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.BAD_REQUEST and is_api(visit):  # FastAPI's, for bytes that it can't even decode
            status = _UNFIT
        return _Told(
            status, _CODES.get(status) or status.phrase.lower().replace(" ", "-"), _plain_sentence(status)
        )
    log.error("%s: %s", type(error).__name__, error, exc_info=error)
    sentence = translate("the log has the details under the number {number}", number=number_of(visit))
    return _Told(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", sentence)


def _told_of_unfit(error: RequestValidationError, visit: Visit) -> _Told:
    faults = faults_of(error, visit.request.headers.get("content-type", ""))
    if is_api(visit):
        errors = [_entry(fault.field, fault.message) for fault in faults]
        return _Told(_UNFIT, INVALID_REQUEST, "; ".join(fault.sentence for fault in faults), errors)
    what = ", ".join(dict.fromkeys(fault.field for fault in faults))
    return _Told(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, BadRequest(what=what).message())


def _written(visit: Visit, told: _Told, headers: dict[str, str]) -> Response:
    status, code, sentence, errors = told
    if is_api(visit):
        more = {"errors": errors} if errors else {}
        return problem(status, sentence, headers, code=code, **more)
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
    told = _Told(HTTPStatus.UNAUTHORIZED, code_of(error), error.message())
    if is_api(visit) or is_for_programs(visit):
        return _written(visit, told, {"WWW-Authenticate": "Bearer"})
    request, authorization = visit.request, visit.request.headers.get("authorization")
    if request.method not in SAFE_METHODS or PART_HEADER in request.headers or is_offered(authorization):
        return _written(visit, told, {})
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
    if status is _UNFIT:
        return translate("the body is no JSON, or is nested too deeply")
    return status.phrase


def _entry(field: str, message: str) -> dict[str, str]:
    return {"field": _writable(field), "message": _writable(message)}


def _writable(text: str) -> str:
    """Half a character stands in no answer."""
    return text.encode("utf-8", "backslashreplace").decode()


def _log(status: HTTPStatus, error: TaskServerError, visit: Visit) -> None:
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
        who = visit.principal.actor if visit.principal else "a stranger"
        log.warning("refused: %s from %s: %s", who, visit.source, error)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("%s", error)
