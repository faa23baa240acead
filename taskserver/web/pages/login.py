"""Signing in and out; by a one-time link the first login of all, and a new password."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from taskserver.database import DatabaseFault
from taskserver.errors import TaskServerError
from taskserver.web.errors import status_of
from taskserver.web.pages import page_router
from taskserver.web.security.passwords import SHORTEST, NotTheSame
from taskserver.web.signing_in import (
    LinkUsedUp,
    PasswordLinkUsedUp,
    choose_password,
    link_works,
    make_first_administrator,
    sign_in,
    sign_out,
    user_of_link,
)
from taskserver.web.visit import Visit, Visiting

router = page_router()

Name = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=2000)]


@router.get("/login")
def login(visit: Visiting, next: str = "", left: Annotated[bool, Query()] = False) -> Response:
    if visit.principal is not None:
        return visit.redirect("/")
    return visit.render("login.html", name="", next=safe_path(next), fault=None, left=left, first=_is_first(visit))


@router.post("/login")
async def enter(visit: Visiting, name: Name, password: Password, next: Annotated[str, Form()] = "") -> Response:
    async with visit.console.turns.take(visit.source):
        return await run_in_threadpool(_enter, visit, name, password, safe_path(next))


def _enter(visit: Visit, name: str, password: str, there: str) -> Response:
    response = RedirectResponse(visit.url(there or "/"), status_code=303)
    try:
        sign_in(visit, name, password, response)
    except DatabaseFault:
        raise
    except TaskServerError as error:
        status = status_of(error)
        answer = visit.render(
            "login.html",
            status=int(status),
            name=name,
            next=there,
            fault=error.message(),
            left=False,
            first=_is_first(visit),
        )
        if "seconds" in error.fields:
            answer.headers["retry-after"] = str(error.fields["seconds"])
        return answer
    return response


@router.post("/logout")
def leave(visit: Visiting) -> Response:
    response = RedirectResponse(visit.url("/login", left=1), status_code=303)
    sign_out(visit, response)
    return response


@router.get("/first-login")
def first_login(visit: Visiting, link: str = "") -> Response:
    if not link_works(visit, link):
        raise LinkUsedUp()
    return visit.render("first_login.html", link=link, name="", fault=None, shortest=SHORTEST)


@router.post("/first-login")
def first_administrator(visit: Visiting, link: Annotated[str, Form()], name: Name, password: Password) -> Response:
    response = RedirectResponse(visit.url("/"), status_code=303)
    try:
        make_first_administrator(visit, link, name.strip(), password, response)
    except (LinkUsedUp, DatabaseFault):
        raise
    except TaskServerError as error:
        return visit.render(
            "first_login.html",
            status=int(status_of(error)),
            link=link,
            name=name,
            fault=error.message(),
            shortest=SHORTEST,
        )
    return response


@router.get("/new-password")
def new_password(visit: Visiting, link: str = "") -> Response:
    user = user_of_link(visit, link)
    return visit.render("new_password.html", link=link, user=user, fault=None, shortest=SHORTEST)


@router.post("/new-password")
def chosen(visit: Visiting, link: Annotated[str, Form()], password: Password, again: Password) -> Response:
    user = user_of_link(visit, link)
    response = RedirectResponse(visit.url("/"), status_code=303)
    try:
        if password != again:
            raise NotTheSame()
        choose_password(visit, link, password, response)
    except (PasswordLinkUsedUp, DatabaseFault):
        raise
    except TaskServerError as error:
        status = int(status_of(error))
        return visit.render(
            "new_password.html", status=status, link=link, user=user, fault=error.message(), shortest=SHORTEST
        )
    return response


def safe_path(path: str) -> str:
    """A path of ours to go on to; "" for anything that a browser might take for another site."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable() or "\\" in path:
        return ""
    return path if len(path) <= 1000 else ""


def _is_first(visit: Visit) -> bool:
    return not visit.console.store.users.any()
