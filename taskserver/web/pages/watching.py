"""For programs that watch: whether the process answers, whether work is done, and the figures for Prometheus.

The first two tell everybody, so they tell nothing; the gate asks for a token before the third.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from taskserver.web.pages import page_router
from taskserver.web.visit import Visiting

router = page_router()


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> Response:
    """This process answers. Asks nobody, so that a database that is away does not have it killed."""
    return PlainTextResponse("ok\n")


@router.api_route("/readyz", methods=["GET", "HEAD"])
def readyz(visit: Visiting) -> Response:
    """The database answers, and a task server gives signs of life."""
    lacking = visit.console.status.lacking()
    if lacking is None:
        return PlainTextResponse("ok\n")
    return PlainTextResponse(f"{lacking}\n", 503)


@router.api_route("/metrics", methods=["GET", "HEAD"])
def metrics(visit: Visiting, request: Request) -> Response:
    accept = request.headers.get("accept", "")
    text, content_type = visit.console.metrics.answer(visit.scope, accept, visit.now)
    return Response(text, headers={"content-type": content_type})
