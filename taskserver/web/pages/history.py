"""The history: every run that there was, its filters, one run with all that it told, and the list as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from taskserver.store import Role, RunPage
from taskserver.texts import language, translate, use_language
from taskserver.web import filters, moments, spreadsheets
from taskserver.web.job_view import own_title
from taskserver.web.pages import page_router
from taskserver.web.scope import Scope
from taskserver.web.visit import Visit, Visiting
from taskserver.words import reason_word, status_word

router = page_router()

STATUSES = ("finished", "failed", "stopped", "lost")
FILTERS = ("task", "title", "result", "error", "status", "client", "node", "since", "until", "entry", "job")
ROWS = 50
CSV_ROWS = 500
OUTPUT_LINES = 5000

Word = Annotated[str, Query(max_length=1000)]


@router.get("/history")
def history(visit: Visiting, before: Word = "", after: Word = "") -> Response:
    shown = _shown(visit)
    fault, page = None, None
    try:
        page = visit.scope.runs.page(before=before, after=after, limit=ROWS, **_wanted(shown))
    except filters.InvalidFilterTime as error:
        fault = error.message()
    given = {name: value for name, value in shown.items() if value}
    return visit.render(
        "history.html",
        page=page,
        fault=fault,
        shown=shown,
        given=given,
        clients=visit.scope.clients.find(counted=False),
        statuses=STATUSES,
        reason_word=reason_word,
    )


@router.get("/history.csv")
def as_csv(visit: Visiting, zone: Annotated[str, Query(max_length=10)] = "") -> Response:
    """All that the filters find, in the reader's zone, or in UTC if that is asked for."""
    wanted = _wanted(_shown(visit))
    place = "UTC" if zone == "UTC" else moments.zone_name()
    first = visit.scope.runs.page(limit=CSV_ROWS, **wanted)  # before anything is sent: it may be refused
    rows = _csv_rows(visit.scope, first, wanted, place, language())
    day = visit.now.astimezone(ZoneInfo(place)).strftime("%Y-%m-%d")
    response = StreamingResponse(
        spreadsheets.lines(rows, separator=spreadsheets.separator()),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{translate("history")}-{day}.csv"'},
    )
    return visit.sealed(response)


@router.get("/history/{run_id:number}")
def run(visit: Visiting, run_id: int) -> Response:
    found = visit.scope.runs.get(run_id)
    output = visit.scope.runs.output(run_id)
    return visit.render(
        "run.html",
        run=found,
        output=output[-OUTPUT_LINES:],
        left_out=max(len(output) - OUTPUT_LINES, 0),
        others=visit.scope.runs.find(job_id=found["job_id"], limit=20),
        may_run=visit.scope.principal.may(Role.OPERATOR, found["client_id"]),
        reason_word=reason_word,
    )


@router.post("/history/{run_id:number}/again")
def again(visit: Visiting, run_id: int) -> Response:
    """Queues a new job with the data of this run."""

    def queue() -> int:
        found = visit.scope.runs.get(run_id)
        title = own_title(found, visit.scope.server.task(found["task"]))
        return visit.scope.jobs.enqueue_again(found["job_id"], found["data"], title=title).id

    return visit.attempt(
        queue, told=lambda job: translate("It is queued again as job {id}.", id=job), back=f"/history/{run_id}"
    )


def _shown(visit: Visit) -> dict[str, str]:
    """The filters as they were typed."""
    return {name: visit.request.query_params.get(name, "")[:1000] for name in FILTERS}


def _wanted(shown: dict[str, str]) -> dict[str, Any]:
    """Raises InvalidFilterTime."""
    texts = {name: filters.words(shown[name]) for name in ("task", "title", "result", "error", "client", "node")}
    return {
        **texts,
        "status": shown["status"] if shown["status"] in STATUSES else None,
        "since": filters.moment(shown["since"]),
        "until": filters.moment(shown["until"], end=True),
        "entry": filters.number(shown["entry"]),
        "job": filters.number(shown["job"]),
    }


def _csv_rows(
    scope: Scope, page: RunPage, wanted: dict[str, Any], place: str, told_in: str
) -> Iterator[list[spreadsheets.Cell]]:
    """Batch by batch, so that a million rows are never held at once."""
    zone = ZoneInfo(place)
    yield [
        translate("Run"),
        translate("Job"),
        translate("Client"),
        translate("Task"),
        translate("Title"),
        translate("Started ({zone})", zone=place),
        translate("Ended ({zone})", zone=place),
        translate("Seconds"),
        translate("Outcome"),
        translate("Reason"),
        translate("Node"),
        translate("Attempt"),
        translate("Result"),
        translate("Error"),
    ]
    while True:
        for row in page.rows:
            yield _csv_row(row, zone)
        if page.older is None:
            return
        page = scope.runs.page(before=page.older.write(), limit=CSV_ROWS, **wanted)
        use_language(told_in)  # each batch may run in a thread of its own


def _csv_row(row: dict[str, Any], zone: ZoneInfo) -> list[spreadsheets.Cell]:
    started, ended = row["started_at"], row["finished_at"]
    return [
        row["id"],
        row["job_id"],
        row["client"],
        row["task"],
        row["title"],
        spreadsheets.written(started, zone),
        spreadsheets.written(ended, zone),
        round((ended - started).total_seconds(), 3) if started and ended else None,
        status_word(row["status"]),
        reason_word(row["reason"]),
        row["node_id"],
        row["attempt"],
        row["result"],
        row["error"],
    ]
