"""Nodes: which daemons work on this database, whether they are alive, what they offer, and whether they claim.

The model for other pages: a route that asks the scope, a template with one part that brings itself up to date.
"""

from __future__ import annotations

from starlette.responses import Response

from taskserver.store import Role
from taskserver.texts import translate
from taskserver.web.pages import page_router
from taskserver.web.visit import Visiting

router = page_router()


@router.get("/nodes")
def nodes(visit: Visiting) -> Response:
    may_steer = visit.principal is not None and visit.principal.may_everywhere(Role.ADMINISTRATOR)
    return visit.render("nodes.html", nodes=visit.scope.server.nodes(), may_steer=may_steer)


@router.post("/nodes/{node_id:number}/stop-claiming")
def stop_claiming(visit: Visiting, node_id: int) -> Response:
    return visit.attempt(
        lambda: visit.scope.server.set_claiming(node_id, False),
        told=lambda name: translate("Node {node} claims nothing more; what it runs goes on.", node=name),
        back="/nodes",
    )


@router.post("/nodes/{node_id:number}/claim")
def claim(visit: Visiting, node_id: int) -> Response:
    return visit.attempt(
        lambda: visit.scope.server.set_claiming(node_id, True),
        told=lambda name: translate("Node {node} claims jobs again.", node=name),
        back="/nodes",
    )
