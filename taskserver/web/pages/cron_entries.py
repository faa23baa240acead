"""Cron entries: the list with the day ahead, one of them, and what is done to one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from taskserver.store import Role
from taskserver.store.entries import Key, key_of
from taskserver.store.errors import PageGone
from taskserver.texts import translate
from taskserver.web import filters, moments, schedules
from taskserver.web.entry_forms import misfires, overlaps
from taskserver.web.pages import page_router
from taskserver.web.scope import Scope
from taskserver.web.visit import Visit, Visiting
from taskserver.words import reason_word

router = page_router()

ROWS = 50
Word = Annotated[str, Query(max_length=1000)]


@router.get("/cron-entries")
def entries(
    visit: Visiting,
    text: Word = "",
    client: Word = "",
    state: Word = "",
    after: Annotated[list[str] | None, Query(max_length=3)] = None,
    before: Annotated[list[str] | None, Query(max_length=3)] = None,
) -> Response:
    scope = visit.scope
    wanted: dict[str, Any] = {
        "client": filters.words(client),
        "text": filters.words(text),
        "active": _ACTIVE.get(state),
    }
    rows = scope.entries.find(**wanted, after=_key(after), before=_key(before), limit=ROWS + 1)
    more, rows = len(rows) > ROWS, rows[-ROWS:] if before else rows[:ROWS]
    given = {name: value for name, value in (("text", text), ("client", client), ("state", state)) if value}
    is_first = not (after or (before and more))
    is_last = not (before or more)
    return visit.render(
        "cron_entries.html",
        entries=rows,
        outcomes=scope.entries.last_outcomes([row["id"] for row in rows]),
        sentence=schedules.sentence,
        given=given,
        shown={"text": text, "client": client, "state": state},
        clients=scope.clients.find(counted=False),
        newer=visit.url("/cron-entries", before=key_of(rows[0]), **given) if rows and not is_first else None,
        older=visit.url("/cron-entries", after=key_of(rows[-1]), **given) if rows and not is_last else None,
        day=lambda: _day(visit, scope, wanted),
        clock_time=schedules.clock_time,
        may=scope.principal.may,
        may_add=scope.principal.may_somewhere(Role.ADMINISTRATOR),
        Role=Role,
    )


@router.get("/cron-entries/preview")
def preview(visit: Visiting, cron_spec: Word = "", time_zone: Word = "") -> Response:
    """What the form shows while somebody types; asked for by its script, and a page of its own without."""
    found = schedules.preview(cron_spec, time_zone, after=visit.now)
    return visit.render("entry_preview.html", preview=found)


@router.get("/cron-entries/{entry_id:number}")
def entry(visit: Visiting, entry_id: int) -> Response:
    scope = visit.scope
    found = scope.entries.get(entry_id)
    return visit.render(
        "cron_entry.html",
        entry=found,
        preview=schedules.preview(found["cron_spec"] or "", found["time_zone"] or "UTC", after=visit.now),
        missed=scope.entries.missed(entry_id, 20),
        runs=scope.runs.find(cron_entry_id=entry_id, limit=10),
        may=scope.principal.may,
        reason_word=reason_word,
        missed_word=missed_word,
        misfires=misfires(),
        overlaps=overlaps(),
        Role=Role,
    )


@router.post("/cron-entries/{entry_id:number}/run")
def run(visit: Visiting, entry_id: int) -> Response:
    return visit.attempt(
        lambda: visit.scope.entries.run(entry_id),
        told=lambda job: translate("It is queued now, as job {id}; the schedule stays as it is.", id=job),
        back=_back(visit, entry_id),
    )


@router.post("/cron-entries/{entry_id:number}/pause")
def pause(visit: Visiting, entry_id: int) -> Response:
    return visit.attempt(
        lambda: visit.scope.entries.disable(entry_id),
        told=translate("It is paused: nothing is queued until it is resumed."),
        back=_back(visit, entry_id),
    )


@router.post("/cron-entries/{entry_id:number}/resume")
def resume(visit: Visiting, entry_id: int) -> Response:
    return visit.attempt(
        lambda: visit.scope.entries.enable(entry_id),
        told=translate("It is active from now on; what was due before is not made up for."),
        back=_back(visit, entry_id),
    )


@router.get("/cron-entries/{entry_id:number}/delete")
def ask(visit: Visiting, entry_id: int) -> Response:
    """Asks whether it is meant."""
    return visit.render("entry_delete.html", entry=visit.scope.entries.get(entry_id), sentence=schedules.sentence)


@router.post("/cron-entries/{entry_id:number}/delete")
def delete(visit: Visiting, entry_id: int) -> Response:
    name = visit.scope.entries.get(entry_id)["name"]
    return visit.attempt(
        lambda: visit.scope.entries.delete(entry_id),
        told=translate("The cron entry {name} is deleted; jobs that it has queued stay.", name=name),
        back="/cron-entries",
    )


def missed_word(reason: str) -> str:
    words = {
        "misfire": translate("the task server did not run"),
        "overlap": translate("an earlier job had not ended"),
    }
    return words.get(reason, reason)


_ACTIVE = {"active": True, "paused": False}


def _day(visit: Visit, scope: Scope, wanted: dict[str, Any]) -> schedules.Timeline:
    """Of the entries that the filters find, not of one page alone."""
    rows = scope.entries.find(**{**wanted, "active": True}, limit=10 * schedules.LANES)
    if wanted["active"] is False:
        rows = []
    now = visit.now
    return schedules.timeline(rows, now=now, zone=moments.zone(), durations=visit.console.usual.of(scope))


def _key(parts: list[str] | None) -> Key | None:
    """Raises PageGone for what no page has linked."""
    if not parts:
        return None
    number = filters.number(parts[2]) if len(parts) == 3 else 0
    if not number or any("\0" in part for part in parts):
        raise PageGone()
    return parts[0], parts[1], number


def _back(visit: Visit, entry_id: int) -> str:
    """The page from which a button was pressed: the list, or the entry."""
    return "/cron-entries" if visit.request.query_params.get("from") == "list" else f"/cron-entries/{entry_id}"
