"""Users: who may sign in to the console, and what each may do where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from taskserver.config.machine import is_time_zone
from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError, UsageError
from taskserver.store import Role
from taskserver.texts import LANGUAGES, mark, translate
from taskserver.web import moments
from taskserver.web.errors import status_of
from taskserver.web.forms import Typed, role, word
from taskserver.web.pages import page_router
from taskserver.web.pages.account import UnknownZone
from taskserver.web.security.passwords import SHORTEST
from taskserver.web.visit import PageNotFound, Visit, Visiting

router = page_router()

Row = dict[str, Any]

BLANK = {"name": "", "role": "", "client": "", "language": "", "time_zone": ""}


class NoSuchRole(UsageError):
    text = mark("choose a role")


@router.get("/users")
def users(visit: Visiting) -> Response:
    return visit.render("users.html", users=visit.scope.users.find(), tokens=visit.scope.tokens.find())


@router.get("/users/new")
def new(visit: Visiting) -> Response:
    return _new_page(visit, BLANK)


@router.post("/users/new")
def add(visit: Visiting, typed: Typed) -> Response:
    """Then shows the link with which the user chooses a password, unless one was typed."""
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)
    form = {name: word(typed, name) for name in BLANK}
    password = typed.get("password", "")
    scope = visit.scope

    def write() -> str | None:
        name = form["name"]
        scope.users.add(
            name,
            password or None,
            role=role(form["role"]),
            client=form["client"] or None,
            language=_language(form["language"]),
            time_zone=_zone(form["time_zone"]),
        )
        return None if password else scope.users.make_password_link(name)

    try:
        secret, _ = scope.once(None, [], write)
    except (NotAllowed, NotFound, DatabaseFault):
        raise
    except TaskServerError as error:
        return _new_page(visit, form, status=int(status_of(error)), fault=error.message())
    if secret is not None:
        return _link_page(visit, form["name"], secret)
    return visit.redirect("/users", told=translate("The user {name} is added.", name=form["name"]))


@router.get("/users/{user_id:number}")
def user(visit: Visiting, user_id: int) -> Response:
    found = _found(visit, user_id)
    return visit.render(
        "user.html",
        user=found,
        is_me=user_id == visit.scope.principal.user_id,
        clients=visit.scope.clients.find(counted=False),
        roles=list(Role),
        zones=moments.zones(),
        default_zone=visit.console.settings.time_zone,
        shortest=SHORTEST,
    )


@router.post("/users/{user_id:number}/edit")
def edit(visit: Visiting, user_id: int, typed: Typed) -> Response:
    found = _found(visit, user_id)

    def write() -> None:
        given: dict[str, Any] = {
            "new_name": word(typed, "name"),
            "language": _language(word(typed, "language")),
            "time_zone": _zone(word(typed, "time_zone")),
            "active": "active" in typed,
        }
        was = {**found, "new_name": found["name"]}
        changed = {name: value for name, value in given.items() if value != was[name]}
        if changed:
            visit.scope.users.edit(found["name"], **changed)

    return _done(visit, user_id, write, translate("The user {name} is changed.", name=found["name"]))


@router.post("/users/{user_id:number}/role")
def set_role(visit: Visiting, user_id: int, typed: Typed) -> Response:
    """One role, for one client or for all; an empty one takes it away."""
    name = _found(visit, user_id)["name"]

    def write() -> None:
        given = word(typed, "role")
        if given and role(given) is None:
            raise NoSuchRole()
        visit.scope.users.set_role(name, role(given), word(typed, "client") or None)

    return _done(visit, user_id, write, translate("The roles of {name} are changed.", name=name))


@router.post("/users/{user_id:number}/password")
def set_password(visit: Visiting, user_id: int, typed: Typed) -> Response:
    name = _found(visit, user_id)["name"]
    told = translate("{name} has a new password and is signed out everywhere.", name=name)
    return _done(visit, user_id, lambda: visit.scope.users.set_password(name, typed.get("password", "")), told)


@router.post("/users/{user_id:number}/link")
def make_link(visit: Visiting, user_id: int) -> Response:
    name = _found(visit, user_id)["name"]
    return _link_page(visit, name, visit.scope.users.make_password_link(name))


@router.get("/users/{user_id:number}/delete")
def ask(visit: Visiting, user_id: int) -> Response:
    """Asks whether it is meant, and names what goes along."""
    found = _found(visit, user_id)
    return visit.render("user_delete.html", user=found, is_me=user_id == visit.scope.principal.user_id)


@router.post("/users/{user_id:number}/delete")
def delete(visit: Visiting, user_id: int) -> Response:
    name = _found(visit, user_id)["name"]
    told = translate("The user {name} is deleted.", name=name)
    return visit.attempt(lambda: visit.scope.users.delete(name), told=told, back="/users")


def _done(visit: Visit, user_id: int, write: Callable[[], None], told: str) -> Response:
    return visit.attempt(write, told=told, back=f"/users/{user_id}")


def _new_page(visit: Visit, form: dict[str, str], *, status: int = 200, fault: str = "") -> Response:
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)
    return visit.render(
        "user_new.html",
        status=status,
        form=form,
        fault=fault,
        clients=visit.scope.clients.find(counted=False),
        roles=list(Role),
        zones=moments.zones(),
        default_zone=visit.console.settings.time_zone,
        shortest=SHORTEST,
    )


def _link_page(visit: Visit, name: str, secret: str) -> Response:
    """Shown once: only the hash of it is kept."""
    return visit.render("user_link.html", name=name, link=visit.public_url("/new-password", link=secret))


def _found(visit: Visit, user_id: int) -> Row:
    """Raises PageNotFound; needs an administrator for all."""
    found = next((row for row in visit.scope.users.find() if row["id"] == user_id), None)
    if found is None:
        raise PageNotFound()
    return found


def _language(text: str) -> str | None:
    return text if text in LANGUAGES else None


def _zone(text: str) -> str | None:
    """Raises UnknownZone."""
    if text and not is_time_zone(text):
        raise UnknownZone(name=text)
    return text or None
