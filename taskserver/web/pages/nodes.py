"""Nodes: which daemons work on this database, whether they are alive, and what they offer.

The model for other pages: a route that asks the scope, a template with one part that brings itself up to date.
"""

from __future__ import annotations

from starlette.responses import Response

from taskserver.web.pages import page_router
from taskserver.web.visit import Visiting

router = page_router()


@router.get("/nodes")
def nodes(visit: Visiting) -> Response:
    return visit.render("nodes.html", nodes=visit.scope.server.nodes())
