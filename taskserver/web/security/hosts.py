"""The Host header: refused unless it is a name of ours, so that no other name can be made to lead here."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from taskserver.config import ConsoleSettings
from taskserver.texts import mark
from taskserver.web.security.limits import plain_refusal, source_of

log = logging.getLogger("taskserver.web")

_NOT_OURS = mark("The Host header names a server that this is not. See allowed_hosts in the configuration.")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_ANY = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 not bound here, recognised as no name


def own_names(settings: ConsoleSettings) -> frozenset[str]:
    """Names without ports, or with one where only that one is meant, in lower case."""
    names = {*_LOCAL, *settings.allowed_hosts}
    if settings.host not in _ANY:
        names.add(f"[{settings.host}]" if ":" in settings.host else settings.host)
    if settings.public_url:
        names.add(urlsplit(settings.public_url).netloc)
    return frozenset(name.lower() for name in names)


def is_own(host: str, names: Iterable[str]) -> bool:
    """Whether a Host header, with or without a port, is one of the names."""
    host = host.lower()
    name, colon, port = host.rpartition(":")
    without_port = name if colon and port.isascii() and port.isdigit() and not name.endswith(":") else host
    return host in names or without_port in names


class HostCheck:
    """Answers 400 to requests for other names, before anything else looks at them."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and is_own(hosts[0].decode("latin-1"), self._names):
            await self._app(scope, receive, send)
            return
        named = hosts[0].decode("latin-1") if hosts else ""
        log.warning("refused: the Host header from %s names %a; allowed_hosts does not", source_of(scope), named)
        await plain_refusal(scope, 400, _NOT_OURS, code="unknown-host")(scope, receive, send)
