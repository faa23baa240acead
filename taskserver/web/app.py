"""Puts the console together: the application that a server of ASGI serves.

The layers from the outside in: a line in the log, the headers of every answer, the Host header, the limits of a
request, the gate, the routes. Each refuses what the next must not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import taskserver
from taskserver.config import ConsoleSettings, Settings
from taskserver.errors import TaskServerError
from taskserver.store import Store
from taskserver.web import api, pages
from taskserver.web.api.document import document_of
from taskserver.web.assets import Assets
from taskserver.web.errors import answer_to
from taskserver.web.gate import Gate
from taskserver.web.logs import RequestLog
from taskserver.web.root_path import RootPath
from taskserver.web.security.cookies import Cookies
from taskserver.web.security.headers import SecurityHeaders
from taskserver.web.security.hosts import HostCheck, own_names
from taskserver.web.security.limits import SECONDS_FOR_BODY, BodyLimits
from taskserver.web.security.throttle import Throttle
from taskserver.web.status import ServerStatus
from taskserver.web.templating import Templates
from taskserver.web.visit import Console

OPENAPI = "/api/v1/openapi.json"


def create_app(
    *,
    store: Store,
    settings: Settings,
    server_status: Callable[[], dict[str, Any]],
    seconds_for_body: float = SECONDS_FOR_BODY,
) -> FastAPI:
    """The console on an open store. `server_status` returns what `status --json` prints."""
    console = settings.console
    assets = Assets()
    app = FastAPI(
        title="taskserver",
        version=taskserver.__version__,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routers = [assets.router, *_routers(pages), *_routers(api)]
    for router in routers:
        app.include_router(router)
    for kind in (TaskServerError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)
    shared = Console(
        store=store,
        settings=settings,
        templates=Templates(),
        status=ServerStatus(store, settings.node_id, server_status),
        cookies=Cookies(path=console.root_path or "/", secure=is_https(console)),
        throttle=Throttle(),
        own_hosts=_public_host(console),
        assets=assets.base,
        pages=frozenset(route.path for route in routes(routers) if "GET" in (route.methods or ())),
    )
    app.state.console = shared
    app.state.routes = tuple(routes(routers))
    app.openapi = document_of(app)  # type: ignore[method-assign]  # FastAPI's way to change it
    # The last one added is the outermost.
    app.add_middleware(Gate, console=shared)
    app.add_middleware(BodyLimits, most=console.body_limit, seconds=seconds_for_body)
    app.add_middleware(HostCheck, names=own_names(console))
    app.add_middleware(SecurityHeaders, https=is_https(console))
    app.add_middleware(RootPath, root_path=console.root_path, is_ours=_addresses(app.state.routes))
    app.add_middleware(RequestLog)
    return app


def is_https(console: ConsoleSettings) -> bool:
    """Whether browsers reach it by https, so that cookies are kept to it."""
    return console.tls_certificate is not None or (console.public_url or "").startswith("https://")


def routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """Every route of pages and API; a test walks them as `app.state.routes`."""
    return (route for router in routers for route in router.routes if isinstance(route, APIRoute))


def _addresses(known: Iterable[APIRoute]) -> Callable[[str], bool]:
    """Whether a path, without the root path, leads to a route."""
    patterns = tuple(route.path_regex for route in known)
    return lambda path: path == OPENAPI or any(pattern.match(path) for pattern in patterns)


def _public_host(console: ConsoleSettings) -> frozenset[str]:
    """The name that a browser's Origin has where a proxy puts another one into the Host header."""
    return frozenset({urlsplit(console.public_url).netloc.lower()} if console.public_url else ())


def _routers(package: Any) -> list[APIRouter]:
    """The routers of the modules in a package, in the order of their names."""
    names = sorted(module.name for module in iter_modules(package.__path__))
    modules = [import_module(f"{package.__name__}.{name}") for name in names]
    return [module.router for module in modules if hasattr(module, "router")]


async def _answer(request: Request, error: Exception) -> Response:
    return await run_in_threadpool(answer_to, error, request.state.visit)
