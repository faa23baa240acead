"""The pages: one module each, with a `router`. `web.app` finds them; who adds a page changes no other file.

A route is thin: it asks `visit.scope`, and answers with `visit.render` or `visit.attempt`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from taskserver.web.addresses import know_numbers

know_numbers()


def page_router() -> APIRouter:
    """For pages: they are no part of the API's document."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
