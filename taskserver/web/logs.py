"""A number for each request, and its line in the log: who, what, the answer, how long. Never a query or a body."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskserver.web.security.limits import source_of

log = logging.getLogger("taskserver.web.access")

HEADER = "x-request-id"
_LONGEST = 200
_WATCHED = ("/healthz", "/readyz", "/metrics")


class RequestLog:
    """Outermost: also what is refused has its line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._start = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = scope["taskserver_request"] = f"{self._start}-{next(self._numbers)}"
        began, status = time.monotonic(), 0

        async def send_with_number(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = number
            await send(message)

        try:
            await self._app(scope, receive, send_with_number)
        finally:
            # A page that brings itself up to date asks every other second.
            # What watches asks again and again, too.
            quiet = any(name == b"x-part" for name, _ in scope["headers"]) or _path(scope).endswith(_WATCHED)
            log.log(
                logging.DEBUG if quiet and status < 400 else logging.INFO,
                '%s %s %s "%s %s" %d %.0f ms',
                number,
                source_of(scope),
                _who(scope),
                scope["method"],
                _path(scope),
                status,
                (time.monotonic() - began) * 1000,
            )


def _who(scope: Scope) -> str:
    visit: Any = scope.get("state", {}).get("visit")
    principal = getattr(visit, "principal", None)
    return repr(principal.actor) if principal is not None else "-"


def _path(scope: Scope) -> str:
    """On one line, whatever it holds, and without its query: there may be a secret in it."""
    return ascii(scope["path"])[1:-1][:_LONGEST]
