"""Queuing a job by hand: a task is chosen, its arguments are filled in. Also: the same again with changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError, UsageError
from taskserver.store import Enqueued, Role
from taskserver.tasks.errors import InvalidArguments
from taskserver.texts import mark, translate
from taskserver.web import argument_forms, moments
from taskserver.web.argument_forms import Fields
from taskserver.web.forms import Typed, whole_number, word
from taskserver.web.job_filters import JobFilters
from taskserver.web.job_view import own_title
from taskserver.web.pages import page_router
from taskserver.web.pages.tasks import SAMPLE, Back
from taskserver.web.scope import Forbidden
from taskserver.web.visit import PageNotFound, Visit, Visiting

router = page_router()

DEFAULT_CLIENT = "default"
_LAST_YEAR = 9000
_LEAST, _MOST = -(2**31), 2**31 - 1


class NoStart(UsageError):
    text = mark("{given} is no time; write 2026-12-24T06:00, or leave it empty to start as soon as possible")


@router.get("/tasks/new")
def new(visit: Visiting, task: str = "", client: str = "") -> Response:
    clients = _clients(visit)
    if not task:
        return visit.render("choose_task.html", offered=_offered(visit), client=client)
    found = _task(visit, task)
    fields = argument_forms.fields_of(found["schema"])
    typed = {"client": client if client in clients else _preferred(clients)}
    return _render(visit, found, fields, typed, clients=clients)


@router.post("/tasks/new")
def queue(visit: Visiting, typed: Typed) -> Response:
    clients = _clients(visit)
    found = _task(visit, typed.get("task", ""))
    try:
        data = argument_forms.read(found["schema"], typed, task=found["name"])
        queued = visit.scope.jobs.enqueue(
            found["name"], data, client=typed.get("client", DEFAULT_CLIENT), **_columns(typed)
        )
    except (NotAllowed, NotFound, DatabaseFault):
        raise
    except TaskServerError as error:
        return _refused(visit, error, found, typed, clients=clients)
    return _queued(visit, queued)


@router.post("/tasks/sample")
def sample(visit: Visiting, back: Back = "") -> Response:
    """Queues the sample at once, to see the server work."""
    _task(visit, SAMPLE)
    query = JobFilters.read(back).query(after=None)
    clients = _clients(visit)
    client = query["client"] if query.get("client") in clients else _preferred(clients)
    told = translate("The sample is queued.")
    return visit.attempt(
        lambda: visit.scope.jobs.enqueue(SAMPLE, client=client), told=told, back="/tasks", **query
    )


@router.get("/jobs/{job_id:number}/again")
def again(visit: Visiting, job_id: int) -> Response:
    job = _mine(visit, job_id)
    found = visit.scope.server.task(job["task"])
    typed = {"title": own_title(job, found), "priority": str(job.get("priority") or 0)}
    return _render(visit, found, argument_forms.fields_of(found["schema"], job["data"]), typed, job=job)


@router.post("/jobs/{job_id:number}/again")
def queue_again(visit: Visiting, job_id: int, typed: Typed) -> Response:
    job = _mine(visit, job_id)
    found = visit.scope.server.task(job["task"])
    try:
        data = argument_forms.read(found["schema"], typed, task=job["task"])
        queued = visit.scope.jobs.enqueue_again(job_id, data, **_columns(typed))
    except (NotAllowed, NotFound, DatabaseFault):
        raise
    except TaskServerError as error:
        return _refused(visit, error, found, typed, job=job)
    return _queued(visit, queued)


def _queued(visit: Visit, queued: Enqueued) -> Response:
    return visit.redirect(f"/jobs/{queued.id}", told=translate("Job {id} is queued.", id=queued.id))


def _refused(visit: Visit, error: TaskServerError, task: Any, typed: dict[str, str], **more: Any) -> Response:
    """The form again as it was filled in, with what is wrong at the fields."""
    fields, told = argument_forms.fields_as_posted(task["schema"], typed), error.message()
    if isinstance(error, InvalidArguments):
        fields = fields.with_faults(error.faults)
        told = translate("Some of the arguments are not right; nothing is queued yet.")
    return _render(visit, task, fields, typed, error=told, **more)


def _render(
    visit: Visit,
    task: Any,
    fields: Fields,
    typed: dict[str, str],
    *,
    clients: list[str] | None = None,
    job: Any = None,
    error: str = "",
) -> Response:
    return visit.render(
        "queue.html",
        status=422 if error else 200,
        task=task,
        fields=fields,
        typed={"client": "", "title": "", "at": "", "priority": "0", **typed},
        clients=clients,
        job=job,
        error=error,
        least=_LEAST,
        most=_MOST,
    )


def _columns(typed: dict[str, str]) -> dict[str, Any]:
    """Raises NotAWholeNumber, NoStart."""
    return {
        "title": word(typed, "title")[:500],
        "priority": whole_number(translate("Priority"), typed.get("priority", ""), least=_LEAST, most=_MOST) or 0,
        "run_at": _start(typed.get("at", "").strip()),
    }


def _start(text: str) -> datetime | None:
    """In the zone of the reader, as all times on the pages."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=moments.zone())
        found = moment.astimezone(UTC)
        if not 1970 <= found.year <= _LAST_YEAR:
            raise NoStart(given=text)
        return found
    except (ValueError, OverflowError):
        raise NoStart(given=text) from None


def _clients(visit: Visit) -> list[str]:
    """The clients for which one may queue. Raises Forbidden if there are none."""
    principal = visit.scope.principal
    found = [
        row["name"] for row in visit.scope.clients.find(counted=False) if principal.may(Role.OPERATOR, row["id"])
    ]
    if not found:
        raise Forbidden(needs=Role.OPERATOR)
    return found


def _preferred(clients: list[str]) -> str:
    return DEFAULT_CLIENT if DEFAULT_CLIENT in clients else clients[0]


def _offered(visit: Visit) -> list[Any]:
    shows_sample = visit.console.settings.console.show_sample_task
    return [task for task in visit.scope.server.tasks() if shows_sample or task["name"] != SAMPLE]


def _task(visit: Visit, name: str) -> Any:
    """Raises TaskNotFound; the sample is not there unless the settings show it."""
    if name == SAMPLE and not visit.console.settings.console.show_sample_task:
        raise PageNotFound()
    return visit.scope.server.task(name)


def _mine(visit: Visit, job_id: int) -> Any:
    job = visit.scope.jobs.get(job_id)
    if not visit.scope.principal.may(Role.OPERATOR, job["client_id"]):
        raise Forbidden(needs=Role.OPERATOR)
    return job
