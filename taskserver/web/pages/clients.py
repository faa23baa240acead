"""Clients: for whom the task server works, and under which login their jobs run."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError
from taskserver.store import Role
from taskserver.texts import translate
from taskserver.web.errors import status_of
from taskserver.web.forms import Typed, whole_number, word
from taskserver.web.pages import page_router
from taskserver.web.scope import Scope
from taskserver.web.visit import PageNotFound, Visit, Visiting

router = page_router()

MOST_PARALLEL = 100_000
Row = dict[str, Any]


@router.get("/clients")
def clients(visit: Visiting) -> Response:
    scope = visit.scope
    return visit.render(
        "clients.html",
        clients=scope.clients.find(),
        may_change=lambda client: scope.principal.may(Role.ADMINISTRATOR, client["id"]),
        may_add=scope.principal.may_everywhere(Role.ADMINISTRATOR),
    )


@router.get("/clients/new")
def new(visit: Visiting) -> Response:
    _require_all(visit)
    return _page(visit, {"name": "", "title": "", "login": "", "max_parallel": ""}, None)


@router.post("/clients/new")
def add(visit: Visiting, typed: Typed) -> Response:
    form = _form(typed)

    def write() -> None:
        visit.scope.clients.add(
            form["name"], login=form["login"] or None, title=form["title"], max_parallel=_limit(form)
        )

    return _stored(visit, form, write, told=translate("The client {name} is added.", name=form["name"]))


@router.get("/clients/{client_id:number}")
def client(visit: Visiting, client_id: int) -> Response:
    found = _changeable(visit, client_id)
    form = {name: "" if found[name] is None else str(found[name]) for name in _FIELDS}
    return _page(visit, form, found)


@router.post("/clients/{client_id:number}")
def edit(visit: Visiting, client_id: int, typed: Typed) -> Response:
    found = _changeable(visit, client_id)
    form = _form({"name": found["name"], **typed})
    scope = visit.scope

    def write() -> None:
        changed: dict[str, Any] = {"title": form["title"], "max_parallel": _limit(form)}
        changed = {name: value for name, value in changed.items() if value != found[name]}
        if form["name"] != found["name"]:
            changed["new_name"] = form["name"]
        login = form["login"] or None

        def act() -> None:
            if login != found["login"]:
                scope.clients.set_login(found["name"], login)
            if changed:
                scope.clients.edit(found["name"], **changed)

        scope.once(None, [], act)

    told = translate("The client {name} is changed.", name=form["name"])
    return _stored(visit, form, write, told=told, row=found)


@router.get("/clients/{client_id:number}/delete")
def ask(visit: Visiting, client_id: int) -> Response:
    """Asks whether it is meant, and names what goes along."""
    _require_all(visit)
    found = _seen(visit.scope, client_id)
    users = [user["name"] for user in visit.scope.users.find() if _has_role(user, client_id)]
    tokens = [token["name"] for token in visit.scope.tokens.find() if token["client_id"] == client_id]
    return visit.render(
        "client_delete.html",
        client=found,
        jobs=sum(visit.scope.jobs.counts(client=found["name"]).values()),
        entries=len(visit.scope.entries.find(found["name"], limit=1000)),
        users=users,
        tokens=tokens,
        is_default=client_id == 1,
    )


@router.post("/clients/{client_id:number}/delete")
def delete(visit: Visiting, client_id: int) -> Response:
    name = _seen(visit.scope, client_id)["name"]
    told = translate("The client {name} is deleted.", name=name)
    return visit.attempt(lambda: visit.scope.clients.delete(name), told=told, back="/clients")


_FIELDS = ("name", "title", "login", "max_parallel")


def _form(typed: dict[str, str]) -> dict[str, str]:
    return {name: word(typed, name) for name in _FIELDS}


def _limit(form: dict[str, str]) -> int | None:
    """Raises NotAWholeNumber."""
    return whole_number(translate("At the same time"), form["max_parallel"], least=1, most=MOST_PARALLEL)


def _stored(visit: Visit, form: dict[str, str], write: Any, *, told: str, row: Row | None = None) -> Response:
    try:
        write()
    except (NotAllowed, NotFound, DatabaseFault):
        raise
    except TaskServerError as error:
        return _page(visit, form, row, status=int(status_of(error)), fault=error.message())
    return visit.redirect("/clients", told=told)


def _page(visit: Visit, form: dict[str, str], row: Row | None, *, status: int = 200, fault: str = "") -> Response:
    logins = {client["login"] for client in visit.scope.clients.find(counted=False) if client["login"]}
    return visit.render(
        "client.html",
        status=status,
        form=form,
        client=row,
        fault=fault,
        logins=sorted(logins),
        may_rename=visit.scope.principal.may_everywhere(Role.ADMINISTRATOR),
        most=MOST_PARALLEL,
    )


def _seen(scope: Scope, client_id: int) -> Row:
    found = next((row for row in scope.clients.find(counted=False) if row["id"] == client_id), None)
    if found is None:
        raise PageNotFound()
    return found


def _changeable(visit: Visit, client_id: int) -> Row:
    """Raises PageNotFound for what can't be seen, Forbidden."""
    found = _seen(visit.scope, client_id)
    visit.scope.principal.require(Role.ADMINISTRATOR, client_id)
    return found


def _require_all(visit: Visit) -> None:
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)


def _has_role(user: Row, client_id: int) -> bool:
    return any(grant.client_id == client_id for grant in user["roles"])
