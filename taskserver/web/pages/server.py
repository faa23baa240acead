"""The server: what `status` says of it, in the same words, and whether jobs start by themselves."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from taskserver import server_words
from taskserver.store import Role
from taskserver.texts import translate
from taskserver.web import moments
from taskserver.web.pages import page_router
from taskserver.web.visit import Visit, Visiting

router = page_router()


@router.get("/server")
def server(visit: Visiting) -> Response:
    visit.scope.principal.require_everywhere(Role.VIEWER)
    document = visit.console.status.document()
    others = [node for node in visit.scope.server.nodes() if node["alive"] and node["node_id"] != _mine(visit)]
    return visit.render(
        "server.html",
        headline=server_words.headline(document),
        is_running=document["state"] not in (server_words.STOPPED, server_words.DEAD, server_words.UNKNOWN),
        fields=[
            (label, value) for label, value in server_words.fields(document, _time) if value not in (None, "")
        ],
        others=others,
        autostart=visit.scope.server.autostart(),
        may_switch=visit.scope.principal.may_everywhere(Role.OPERATOR),
    )


@router.post("/server/autostart-off")
def autostart_off(visit: Visiting) -> Response:
    told = translate("Jobs do not start automatically any more.")
    return visit.attempt(lambda: visit.scope.server.set_autostart(False), told=told, back="/server")


@router.post("/server/autostart-on")
def autostart_on(visit: Visiting) -> Response:
    told = translate("Jobs start automatically again.")
    return visit.attempt(lambda: visit.scope.server.set_autostart(True), told=told, back="/server")


def _mine(visit: Visit) -> str:
    return visit.console.settings.node_id


def _time(instant: datetime) -> str:
    return moments.local(instant)
