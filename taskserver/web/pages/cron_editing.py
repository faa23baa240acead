"""The form of a cron entry: a new one, a copy, a changed one; with a preview before anything is stored.

Its routes must come before that of one entry, and do so by the name of this module: `new` is no number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError
from taskserver.store import Role
from taskserver.tasks.errors import InvalidArguments
from taskserver.texts import translate
from taskserver.web import argument_forms, entry_forms, moments, schedules
from taskserver.web.argument_forms import Fields
from taskserver.web.errors import status_of
from taskserver.web.forms import Typed
from taskserver.web.job_view import own_title
from taskserver.web.pages import page_router
from taskserver.web.scope import Forbidden
from taskserver.web.visit import Visit, Visiting

router = page_router()

Word = Annotated[str, Query(max_length=1000)]
Row = dict[str, Any]


@router.get("/cron-entries/new")
def new(visit: Visiting, task: Word = "", client: Word = "", copy: Word = "") -> Response:
    """First which task, then the form for it; `copy` fills it with what another entry has."""
    source = _source(visit, copy)
    task = task or (source["task"] if source else "")
    if not task:
        return visit.render("entry_task.html", tasks=visit.scope.server.tasks(), entry=None, **_clients(visit))
    zone = visit.console.settings.time_zone
    form = entry_forms.filled(source) if source else entry_forms.blank(zone)
    if source:
        form["name"] = translate("{name} (copy)", name=source["name"])
        form["title"] = own_title(source, _task(visit, source["task"]))
    form["client"] = client or (source["client"] if source else "")
    known = visit.scope.server.task(task)
    fields = argument_forms.fields_of(
        known["schema"], source["data"] if source and source["task"] == task else None
    )
    return _page(visit, form, fields, known, source=source)


@router.post("/cron-entries/new")
def add(visit: Visiting, typed: Typed, copy: Word = "") -> Response:
    source = _source(visit, copy)
    known = visit.scope.server.task(typed.get("task", ""))
    form = entry_forms.posted(typed, entry_forms.blank(visit.console.settings.time_zone))
    form["client"] = typed.get("client", "")

    def write(data: dict[str, Any]) -> int:
        return visit.scope.entries.add(
            task=known["name"],
            data=data,
            client=form["client"],
            like=source["id"] if source else None,
            active="paused" not in typed,
            **entry_forms.columns(form),
        )

    return _stored(visit, typed, form, known, write, source=source, paused="paused" in typed)


@router.get("/cron-entries/{entry_id:number}/edit")
def edit(visit: Visiting, entry_id: int, task: Word = "") -> Response:
    entry = _changeable(visit, entry_id)
    known = _task(visit, task or entry["task"])
    form = {
        **entry_forms.filled(entry),
        "title": own_title(entry, _task(visit, entry["task"])),
        "client": entry["client"],
    }
    return _page(visit, form, argument_forms.fields_of(known["schema"], entry["data"]), known, entry=entry)


@router.get("/cron-entries/{entry_id:number}/task")
def choose_task(visit: Visiting, entry_id: int) -> Response:
    """Another task for an entry."""
    entry = _changeable(visit, entry_id)
    return visit.render("entry_task.html", tasks=visit.scope.server.tasks(), entry=entry, **_clients(visit))


@router.post("/cron-entries/{entry_id:number}/edit")
def change(visit: Visiting, entry_id: int, typed: Typed) -> Response:
    entry = _changeable(visit, entry_id)
    known = _task(visit, typed.get("task") or entry["task"])
    before = {**entry_forms.filled(entry), "title": own_title(entry, _task(visit, entry["task"]))}
    form = {**entry_forms.posted(typed, before), "client": entry["client"]}

    def write(data: dict[str, Any]) -> int:
        values = entry_forms.columns(form)
        was = {**entry, "title": before["title"]}
        changed = {name: value for name, value in values.items() if value != was[name]}
        if known["name"] != entry["task"]:
            changed["task"] = known["name"]
        if data != entry["data"] or "task" in changed:
            changed["data"] = data
        visit.scope.entries.edit(entry_id, **changed)
        return entry_id

    return _stored(visit, typed, form, known, write, entry=entry)


def _stored(
    visit: Visit,
    typed: dict[str, str],
    form: dict[str, str],
    known: Row,
    write: Callable[[dict[str, Any]], int],
    **more: Any,
) -> Response:
    """The entry's page when it is stored; the form again, with what is wrong, or with the preview asked for."""
    fields = argument_forms.fields_as_posted(known["schema"], typed)
    if "preview" in typed:
        return _page(visit, form, fields, known, **more)
    try:
        entry_id = write(argument_forms.read(known["schema"], typed, task=known["name"]))
    except (NotAllowed, DatabaseFault):
        raise
    except InvalidArguments as error:
        told = translate("Some of the arguments are not right; nothing is stored yet.")
        fields = fields.with_faults(error.faults)
        return _page(visit, form, fields, known, status=int(status_of(error)), fault=told, **more)
    except TaskServerError as error:
        return _page(visit, form, fields, known, status=int(status_of(error)), fault=error.message(), **more)
    return visit.redirect(f"/cron-entries/{entry_id}", told=translate("The cron entry is stored."))


def _page(
    visit: Visit,
    form: dict[str, str],
    fields: Fields,
    task: Row,
    *,
    status: int = 200,
    entry: Row | None = None,
    source: Row | None = None,
    fault: str = "",
    paused: bool = False,
) -> Response:
    return visit.render(
        "entry_form.html",
        status=status,
        form=form,
        fields=fields,
        task=task,
        entry=entry,
        source=source,
        fault=fault,
        paused=paused,
        preview=schedules.preview(form["cron_spec"], form["time_zone"], after=visit.now),
        misfires=entry_forms.misfires(),
        overlaps=entry_forms.overlaps(),
        zones=moments.zones(),
        **_clients(visit),
    )


def _clients(visit: Visit) -> dict[str, Any]:
    """Those in which the reader may add entries. Raises Forbidden where there is none."""
    may = visit.scope.principal.may
    mine = [client for client in visit.scope.clients.find(counted=False) if may(Role.ADMINISTRATOR, client["id"])]
    if not mine:
        raise Forbidden(needs=Role.ADMINISTRATOR)
    return {"clients": mine}


def _source(visit: Visit, copy: str) -> Row | None:
    return _changeable(visit, int(copy)) if copy.isascii() and copy.isdecimal() and len(copy) < 19 else None


def _changeable(visit: Visit, entry_id: int) -> Row:
    entry = visit.scope.entries.get(entry_id)
    if not visit.scope.principal.may(Role.ADMINISTRATOR, entry["client_id"]):
        raise Forbidden(needs=Role.ADMINISTRATOR)
    return entry


def _task(visit: Visit, name: str) -> Row:
    """The task; one that no node offers any more has arguments of any kind, until it is stored."""
    try:
        return visit.scope.server.task(name)
    except NotFound:
        return {"name": name, "title": "", "description": "", "schema": {}}
