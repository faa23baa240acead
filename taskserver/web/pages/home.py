"""The top of the console leads to the first page of the navigation."""

from __future__ import annotations

from starlette.responses import Response

from taskserver.web.pages import page_router
from taskserver.web.visit import Visiting

router = page_router()


@router.get("/")
def home(visit: Visiting) -> Response:
    entries = visit.navigation()
    return visit.redirect(entries[0].path if entries else "/account")
