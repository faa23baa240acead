"""Tokens for the API: made here, shown once, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError
from taskserver.store import Role
from taskserver.texts import translate
from taskserver.web.errors import status_of
from taskserver.web.forms import Typed, role, whole_number, word
from taskserver.web.pages import page_router
from taskserver.web.pages.users import NoSuchRole
from taskserver.web.visit import PageNotFound, Visit, Visiting

router = page_router()

MOST_DAYS = 36_500
DAYS = "365"

BLANK = {"name": "", "role": "", "client": "", "days": DAYS}


@router.get("/users/tokens/new")
def new(visit: Visiting) -> Response:
    return _page(visit, BLANK)


@router.post("/users/tokens/new")
def add(visit: Visiting, typed: Typed) -> Response:
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)
    form = {name: word(typed, name) for name in BLANK}
    try:
        given = role(form["role"])
        if given is None:
            raise NoSuchRole()
        days = whole_number(translate("Valid for, in days"), form["days"], least=1, most=MOST_DAYS)
        expires_at = None if days is None else visit.now + timedelta(days=days)
        row, text = visit.scope.tokens.add(
            form["name"], role=given, client=form["client"] or None, expires_at=expires_at
        )
    except (NotAllowed, NotFound, DatabaseFault):
        raise
    except TaskServerError as error:
        return _page(visit, form, status=int(status_of(error)), fault=error.message())
    return visit.render("token.html", token=row, text=text)


@router.get("/users/tokens/{token_id:number}/delete")
def ask(visit: Visiting, token_id: int) -> Response:
    return visit.render("token_delete.html", token=_found(visit, token_id))


@router.post("/users/tokens/{token_id:number}/delete")
def delete(visit: Visiting, token_id: int) -> Response:
    name = _found(visit, token_id)["name"]
    told = translate("The token {name} is deleted; it is worth nothing from now on.", name=name)
    return visit.attempt(lambda: visit.scope.tokens.delete(name), told=told, back="/users")


def _page(visit: Visit, form: dict[str, str], *, status: int = 200, fault: str = "") -> Response:
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)
    return visit.render(
        "token_new.html",
        status=status,
        form=form,
        fault=fault,
        clients=visit.scope.clients.find(counted=False),
        roles=list(Role),
        most=MOST_DAYS,
    )


def _found(visit: Visit, token_id: int) -> dict[str, Any]:
    """Raises PageNotFound; needs an administrator for all."""
    found = next((row for row in visit.scope.tokens.find() if row["id"] == token_id), None)
    if found is None:
        raise PageNotFound()
    return found
