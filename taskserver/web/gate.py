"""The gate before all routes: finds out who asks, in which language, and whether they may come in.

Closed by default: what is not in OPEN needs a session or a token, and every request that changes something and
comes with a cookie needs the token of its form. A route can forget neither.
"""

from __future__ import annotations

import logging
import secrets
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskserver.store import Grant, Role
from taskserver.texts import use_language
from taskserver.web.errors import CrossSite, FormExpired, NotSignedIn, answer_to
from taskserver.web.language import wanted_language
from taskserver.web.moments import use_zone
from taskserver.web.scope import Principal
from taskserver.web.security import csrf
from taskserver.web.security.cookies import SESSION, VISIT
from taskserver.web.security.limits import Refused, narrow_for_stranger
from taskserver.web.security.tokens import bearer, is_offered, new_secret, secret_hash
from taskserver.web.signing_in import idle_time
from taskserver.web.visit import Console, Visit

_PROMETHEUS = Principal(name="metrics_token_file", kind="token", grants=(Grant(Role.VIEWER, None),))

log = logging.getLogger("taskserver.web")

PROBES = frozenset({"/healthz", "/readyz"})
OPEN = frozenset({"/login", "/first-login", "/new-password", "/favicon.ico", *PROBES})
OPEN_BELOW = "/static/"
METRICS = "/metrics"


class Gate:
    def __init__(self, app: ASGIApp, *, console: Console) -> None:
        self._app = app
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        visit = Visit(self._console, request)
        request.state.visit = visit
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            use_language(wanted_language(None, request.headers.get("accept-language", "")))
            use_zone(self._console.settings.time_zone)
            await run_in_threadpool(self._recognise, visit)
            self._speak_as(visit)
            self._require_somebody(visit)
            if visit.principal is None:
                narrow_for_stranger(scope)
            body = await self._require_form_token(visit)
            try:
                await self._app(scope, receive if body is None else _replay(body, receive), send_and_note)
            finally:
                if request.method not in csrf.SAFE_METHODS:
                    self._console.looks.forget()
        except Refused:
            raise
        except ClientDisconnect:  # there is nobody to answer
            log.info("broken off: a request from %s whose body did not arrive", visit.source)
        except Exception as error:  # the boundary of a request: it gets an answer, the log the rest
            if begun:
                raise
            response = await run_in_threadpool(answer_to, error, visit)
            await response(scope, receive, send)

    def _recognise(self, visit: Visit) -> None:
        """By the token of the request, else by the cookie; a wrong token is nobody, whatever the cookie says."""
        request, store = visit.request, self._console.store
        if visit.path.startswith(OPEN_BELOW) or visit.path in PROBES:
            return  # the same for everybody
        authorization = request.headers.get("authorization")
        if is_offered(authorization):
            token = bearer(authorization)
            if visit.path == METRICS and self._is_metrics_token(authorization.partition(" ")[2].strip()):
                visit.principal = _PROMETHEUS
                return
            found = store.tokens.use(secret_hash(token)) if token else None
            if found is None and visit.path not in OPEN:
                log.warning("refused: a token from %s that is unknown or has expired", visit.source)
            if found is not None:
                visit.principal = Principal(
                    name=found[0], kind="token", grants=(found[1],), identity=secret_hash(token or "")
                )
            return
        cookies = request.headers.get("cookie", "")
        secret = self._console.cookies.read(cookies, SESSION)
        if secret is not None:
            lifetime = self._console.settings.console.session_lifetime
            session = store.sessions.resume(secret_hash(secret), idle=idle_time(lifetime))
            if session is not None:
                self._welcome(visit, session, secret)
                return
        known = self._console.cookies.read(cookies, VISIT)
        visit.new_cookie = None if known else new_secret()
        visit.csrf = csrf.token_for(known or visit.new_cookie or "")

    def _is_metrics_token(self, token: str) -> bool:
        """Whether it is the one in `metrics_token_file`, as that is now."""
        file = self._console.settings.console.metrics_token_file
        if file is None:
            return False
        try:
            wanted = file.read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            log.error("metrics_token_file can't be read: %s", error)
            return False
        return bool(wanted) and secrets.compare_digest(wanted.encode(), token.encode("utf-8", "replace"))

    @staticmethod
    def _welcome(visit: Visit, session: dict[str, object], secret: str) -> None:
        user = session["user"]
        assert isinstance(user, dict)  # noqa: S101 as the store promises
        visit.principal = Principal(
            name=user["name"],
            grants=tuple(user["roles"]),
            user_id=user["id"],
            identity=str(user["id"]),
            language=user["language"],
            time_zone=user["time_zone"],
            theme=user["theme"],
            shortcuts=user["shortcuts"],
        )
        visit.session_hash = str(session["id_hash"])
        visit.csrf = csrf.token_for(secret)
        visit.has_flash = bool(session["flash"])

    def _speak_as(self, visit: Visit) -> None:
        """In this task, so that every thread that works for the request inherits it."""
        if visit.principal is None:
            return
        accepted = visit.request.headers.get("accept-language", "")
        use_language(wanted_language(visit.principal.language, accepted))
        use_zone(visit.principal.time_zone or self._console.settings.time_zone)

    @staticmethod
    def _require_somebody(visit: Visit) -> None:
        path = visit.path
        if visit.principal is None and path not in OPEN and not path.startswith(OPEN_BELOW):
            raise NotSignedIn()
        if visit.principal is not None and visit.principal.kind == "token" and not _takes_tokens(path):
            raise NotSignedIn()

    async def _require_form_token(self, visit: Visit) -> bytes | None:
        """Raises CrossSite or FormExpired. The body, where it had to be read for that."""
        request = visit.request
        if request.method in csrf.SAFE_METHODS or is_offered(request.headers.get("authorization")):
            return None
        own = {*self._console.own_hosts, request.headers.get("host", "").lower()}
        if csrf.comes_from_elsewhere(request.headers, own):
            raise CrossSite()
        body = None
        given = request.headers.get(csrf.HEADER)
        if given is None:
            body = await request.body()
            given = await _field(request, body)
        cookies = request.headers.get("cookie", "")
        name = SESSION if visit.session_hash is not None else VISIT
        secret = self._console.cookies.read(cookies, name)
        if secret is None or not csrf.is_token(secret, given):
            raise FormExpired()
        return body


def _takes_tokens(path: str) -> bool:
    return path.startswith("/api/") or path == METRICS or path in OPEN


async def _field(request: Request, body: bytes) -> str | None:
    """The form's token, from a form of either encoding."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20_000)
        except ValueError:
            return None
        return next((value for name, value in fields if name == csrf.FIELD), None)
    if kind == "multipart/form-data":
        try:
            form = await Request(request.scope, _replay(body, _nothing)).form()
        except (MultiPartException, HTTPException):
            return None
        found = form.get(csrf.FIELD)
        return found if isinstance(found, str) else None
    return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
