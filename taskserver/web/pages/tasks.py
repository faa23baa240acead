"""The task manager: the jobs in the order in which they start, and what is done with many of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form
from starlette.responses import Response

from taskserver.jobs import Status
from taskserver.store import Role
from taskserver.store.overview import COUNTED
from taskserver.texts import plural, translate
from taskserver.web.job_filters import Asked, JobFilters
from taskserver.web.job_view import Viewing
from taskserver.web.pages import page_router
from taskserver.web.scope import BulkResult
from taskserver.web.visit import PageNotFound, Visit, Visiting

router = page_router()

SAMPLE = "sample"
PAGE = 50
_REASONS_SHOWN = 3

Back = Annotated[str, Form(max_length=4000)]


@router.get("/tasks")
def tasks(visit: Visiting, wanted: Asked) -> Response:
    looks = visit.console.looks
    places = {"after": wanted.after or None, "before": wanted.before or None}
    look = looks.jobs(
        visit.scope, anew=not visit.is_refresh, **wanted.conditions, **places, limit=PAGE, in_turn=True
    )
    page = look.page
    return visit.render(
        "tasks.html",
        kept={"part_jobs": look.drawn},
        filters=wanted,
        views=lambda: viewing_of(visit, look.offered, look.clients).views(page.rows),
        before=visit.url("/tasks", **wanted.query(before=page.before.write())) if page.before else None,
        after=visit.url("/tasks", **wanted.query(after=page.after.write())) if page.after else None,
        counts=looks.counts(visit.scope, client=wanted.client or None, task=wanted.task or None),
        capped=_capped,
        statuses=list(Status),
        clients=look.clients,
        tasks=sorted(task["name"] for task in look.offered),
        autostart=visit.autostart,
        may=may(visit),
    )


@router.post("/tasks/bulk")
def bulk(
    visit: Visiting,
    verb: Annotated[str, Form()],
    job: Annotated[list[int] | None, Form()] = None,
    back: Back = "",
) -> Response:
    query = JobFilters.read(back).query()
    if verb not in ("start", "stop", "delete"):
        raise PageNotFound()
    if not job:
        return visit.redirect("/tasks", told=translate("Select jobs first."), kind="note", **query)

    def act() -> BulkResult:
        result = visit.scope.jobs.bulk(verb, job)
        _tell_failures(visit, result)
        return result

    def told(result: BulkResult) -> str:
        return _done(verb, len(result.done)) if result.done else ""

    return visit.attempt(act, told=told, back="/tasks", **query)


@router.post("/tasks/delete-finished")
def delete_finished(visit: Visiting, client: Annotated[str, Form()] = "", back: Back = "") -> Response:
    return visit.attempt(
        lambda: visit.scope.jobs.delete_finished(client or None),
        told=_deleted,
        back="/tasks",
        **JobFilters.read(back).query(after=None),
    )


@router.get("/tasks/delete-all")
def ask_delete_all(visit: Visiting, client: str = "") -> Response:
    if not visit.scope.principal.may_somewhere(Role.OPERATOR):
        raise PageNotFound()
    counts = _counts_of_mine(visit, client or None)
    running = counts[Status.RUNNING] + counts[Status.STOPPING]
    return visit.render(
        "delete_all.html",
        client=client,
        count=sum(counts.values()),
        running=running,
        is_more=any(count >= COUNTED for count in counts.values()),
    )


@router.post("/tasks/delete-all")
def delete_all(visit: Visiting, client: Annotated[str, Form()] = "") -> Response:
    return visit.attempt(
        lambda: visit.scope.jobs.delete_all(client or None),
        told=_deleted_all,
        back="/tasks",
        client=client or None,
    )


@router.post("/tasks/autostart-off")
def autostart_off(visit: Visiting, back: Back = "") -> Response:
    told = translate("Jobs do not start automatically any more.")
    return _set_autostart(visit, False, told, back)


@router.post("/tasks/autostart-on")
def autostart_on(visit: Visiting, back: Back = "") -> Response:
    return _set_autostart(visit, True, translate("Jobs start automatically again."), back)


def viewing_of(
    visit: Visit, offered: list[dict[str, Any]] | None = None, clients: list[dict[str, Any]] | None = None
) -> Viewing:
    """How this visitor sees jobs."""
    if offered is None:
        offered = visit.scope.server.tasks()
    if clients is None:
        clients = visit.scope.clients.find(counted=False)
    return Viewing(
        principal=visit.scope.principal,
        idle=frozenset(client["id"] for client in clients if not client["login"]),
        now=visit.now,
        usual=visit.console.usual.of(visit.scope),
        offered={task["name"]: task["kind"] for task in offered},
    )


def may(visit: Visit) -> dict[str, bool]:
    """Which of the buttons above the table are drawn."""
    principal = visit.scope.principal
    operates = principal.may_somewhere(Role.OPERATOR)
    return {
        "change": operates,
        "switch": principal.may_everywhere(Role.OPERATOR),
        "sample": operates and visit.console.settings.console.show_sample_task,
    }


def _set_autostart(visit: Visit, on: bool, told: str, back: str) -> Response:
    return visit.attempt(
        lambda: visit.scope.server.set_autostart(on), told=told, back="/tasks", **JobFilters.read(back).query()
    )


def _counts_of_mine(visit: Visit, client: str | None) -> dict[str, int]:
    """The jobs that would be deleted: those of the clients in which one is an operator."""
    scope = visit.scope
    if client is not None:
        scope.clients.get(client)
    if scope.principal.may_everywhere(Role.OPERATOR):
        return scope.jobs.counts(client=client)
    mine = [
        row["name"] for row in scope.clients.find(counted=False) if scope.principal.may(Role.OPERATOR, row["id"])
    ]
    counted = [scope.jobs.counts(client=name) for name in mine if client in (None, name)]
    return {status.value: sum(each[status] for each in counted) for status in Status}


def _capped(count: int) -> str:
    return f"{count}+" if count >= COUNTED else str(count)


def _deleted_all(count: Any) -> str:
    return plural(
        "{count} job is deleted; if it runs, it is asked to stop and goes when it has ended.",
        "{count} jobs are deleted; those that run are asked to stop and go when they have ended.",
        int(count),
    )


def _deleted(count: Any) -> str:
    return plural("{count} job is deleted.", "{count} jobs are deleted.", int(count))


def _done(verb: str, count: int) -> str:
    if verb == "start":
        return plural("{count} job is started.", "{count} jobs are started.", count)
    if verb == "stop":
        return plural("{count} job is stopped.", "{count} jobs are stopped.", count)
    return _deleted(count)


def _tell_failures(visit: Visit, result: BulkResult) -> None:
    for error in list(result.failed.values())[:_REASONS_SHOWN]:
        visit.tell(error.message(), kind="bad")
    more = len(result.failed) - _REASONS_SHOWN
    if more > 0:
        visit.tell(
            plural("{count} more could not be changed.", "{count} more could not be changed.", more), kind="bad"
        )
