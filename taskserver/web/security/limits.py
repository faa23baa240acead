"""How much a request may hold and how long it may take to arrive; what is beyond is refused, not read."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskserver.texts import mark, translate, use_language
from taskserver.web.errors import problem
from taskserver.web.language import wanted_language

log = logging.getLogger("taskserver.web")

SECONDS_FOR_BODY = 30.0
MOST_OF_STRANGERS = 16 * 1024
SECONDS_OF_STRANGERS = 10.0
"""Who is not signed in has nothing to send but a name and a password."""

_BODY = "taskserver_body"

_REFUSALS = {
    408: ("request-too-slow", mark("The request did not arrive in time.")),
    413: ("request-too-large", mark("A request may hold {most} bytes.")),
}


class Refused(Exception):
    """Ends the reading of a body, wherever it is read."""


class _Body:
    """What has arrived of one request's body, and the status with which it was refused."""

    def __init__(self, receive: Receive, announced: int, most: int, seconds: float) -> None:
        self._receive = receive
        self.announced = announced
        self.most = most
        self._seconds = seconds
        self._deadline: float | None = None
        self._received = 0
        self._whole = False
        self.refusal: int | None = None

    def narrow(self) -> None:
        self.most = min(self.most, MOST_OF_STRANGERS)
        self._seconds = min(self._seconds, SECONDS_OF_STRANGERS)
        self.require_small(self.announced)

    def require_small(self, size: int) -> None:
        if size > self.most:
            self.refusal = 413
            raise Refused

    async def receive(self) -> Message:
        if self._whole:  # what comes now is the end of the connection: a long answer may wait for it as it likes
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = now + self._seconds if self._deadline is None else self._deadline
        try:
            message = await asyncio.wait_for(self._receive(), max(self._deadline - now, 0.001))
        except TimeoutError:
            self.refusal = 408
            raise Refused from None
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        self.require_small(self._received)
        return message


class BodyLimits:
    """Answers 413 to a body that is larger than `most` bytes, 408 to one that has not arrived in time."""

    def __init__(self, app: ASGIApp, *, most: int, seconds: float = SECONDS_FOR_BODY) -> None:
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope[_BODY] = _Body(receive, _announced(scope), self._most, self._seconds)
        answered = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal answered
            if body.refusal is None or answered:
                answered = True
                await send(message)
            # else: whoever read the body made an answer of their own of the refusal

        try:
            body.require_small(body.announced)
            await self._app(scope, body.receive, send_unless_refused)
        except Refused:
            if answered:
                raise
        if body.refusal is not None and not answered:
            await self._refuse(scope, receive, send, body.refusal, body.most)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, most: int) -> None:
        what = "that is too large" if status == 413 else "that arrives too slowly"
        log.warning("refused: a request from %s %s", source_of(scope), what)
        code, text = _REFUSALS[status]
        # The rest of the body is not read: the connection can't be used again.
        headers = {"connection": "close"}
        await plain_refusal(scope, status, text, headers, code=code, most=most)(scope, receive, send)


def narrow_for_stranger(scope: Scope) -> None:
    """The limits of whoever is not signed in. Raises Refused for a body that is announced as larger."""
    scope[_BODY].narrow()


def plain_refusal(
    scope: Scope, status: int, text: str, headers: dict[str, str] | None = None, *, code: str, **fields: Any
) -> Response:
    """An answer from before the gate: problem+json for programs, one line for browsers. `text` was marked."""
    use_language(wanted_language(None, Headers(scope=scope).get("accept-language", "")))
    sentence = translate(text, **fields)
    if get_route_path(scope).startswith("/api/"):
        return problem(HTTPStatus(status), sentence, headers, code=code)
    return PlainTextResponse(f"{sentence}\n", status_code=status, headers=headers)


def source_of(scope: Scope) -> str:
    """Where a request comes from, for the log."""
    client = scope.get("client")
    return str(client[0]) if client else "?"


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
