"""One job: what it is, what it did, what it says, and what may be done with it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Query
from starlette.responses import Response

from taskserver.errors import NotFound
from taskserver.texts import translate
from taskserver.web import advice, moments
from taskserver.web.job_filters import JobFilters
from taskserver.web.pages import page_router
from taskserver.web.pages.tasks import Back, viewing_of
from taskserver.web.visit import Visit, Visiting

router = page_router()

LINES = 500
"""So many of the last lines of a run are shown; the history has all."""
RUNS = 50

Where = Annotated[str, Form(max_length=20)]


@router.get("/jobs/{job_id:number}")
def job(visit: Visiting, job_id: int, run: Annotated[int | None, Query()] = None) -> Response:
    scope = visit.scope
    found = scope.jobs.get(job_id)
    runs = scope.runs.find(job_id=job_id, limit=RUNS + 1)
    running = found.get("claim") if not found["gone"] else None
    shown_run = run if run is not None else (running or (runs[0]["id"] if runs else None))
    lines = scope.jobs.output(job_id, run_id=shown_run, last=LINES + 1) if shown_run is not None else []
    why = (
        [] if found["gone"] else scope.jobs.explain(job_id, lambda instant: moments.local(instant, seconds=False))
    )
    return visit.render(
        "job.html",
        view=viewing_of(visit).view(found),
        job=found,
        why=why,
        advice=advice.sentence,
        runs=[each for each in runs[:RUNS] if each["id"] != running],
        has_more_runs=len(runs) > RUNS,
        running=running,
        shown_run=shown_run,
        chosen_run=run,
        lines=lines[-LINES:],
        has_more_lines=len(lines) > LINES,
    )


@router.post("/jobs/{job_id:number}/start")
def start(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    told = translate("Job {id} is started.", id=job_id)
    return _act(visit, job_id, lambda: visit.scope.jobs.start(job_id), told, where, back)


@router.post("/jobs/{job_id:number}/stop")
def stop(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    told = translate("Job {id} is asked to stop.", id=job_id)
    return _act(visit, job_id, lambda: visit.scope.jobs.stop(job_id), told, where, back)


@router.post("/jobs/{job_id:number}/kill")
def kill(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    told = translate("The processes of job {id} are killed.", id=job_id)
    return _act(visit, job_id, lambda: visit.scope.jobs.kill(job_id), told, where, back)


@router.post("/jobs/{job_id:number}/delete")
def delete(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    def told(is_gone: Any) -> str:
        if is_gone:
            return translate("Job {id} is deleted.", id=job_id)
        return translate("Job {id} is asked to stop, and goes when it has ended.", id=job_id)

    return _act(visit, job_id, lambda: visit.scope.jobs.delete(job_id), told, where, back, leaves=True)


@router.post("/jobs/{job_id:number}/move-up")
def move_up(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    return _move(visit, job_id, "up", translate("Job {id} is moved up.", id=job_id), where, back)


@router.post("/jobs/{job_id:number}/move-down")
def move_down(visit: Visiting, job_id: int, where: Where = "", back: Back = "") -> Response:
    return _move(visit, job_id, "down", translate("Job {id} is moved down.", id=job_id), where, back)


def _move(visit: Visit, job_id: int, way: str, told: str, where: str, back: str) -> Response:
    alone = translate("Job {id} has no other of its client to change places with.", id=job_id)
    return _act(
        visit,
        job_id,
        lambda: visit.scope.jobs.move(job_id, way),
        lambda moved: told if moved else alone,
        where,
        back,
    )


def _act(
    visit: Visit, job_id: int, action: Any, told: Any, where: str, back: str, *, leaves: bool = False
) -> Response:
    """Goes back to the page of the job (`where` is "job"), else to the list as it was."""
    if where == "job" and not leaves:
        return visit.attempt(action, told=told, back=f"/jobs/{job_id}")
    query = JobFilters.read(back).query()
    try:
        return visit.attempt(action, told=told, back="/tasks", **query)
    except NotFound as error:
        # Somebody else has deleted it meanwhile: the list goes on, and says so.
        return visit.redirect("/tasks", told=error.message(), kind="bad", **query)
