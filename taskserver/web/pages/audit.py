"""The audit: who did what, when, from where, to which job."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from taskserver.web import filters
from taskserver.web.audit_words import ACTIONS, action_word, detail_words
from taskserver.web.pages import page_router
from taskserver.web.visit import Visiting

router = page_router()

ROWS = 50
FILTERS = ("actor", "action", "client", "job", "since", "until")

Word = Annotated[str, Query(max_length=100)]


@router.get("/audit")
def audit(visit: Visiting, before: Word = "", after: Word = "") -> Response:
    shown = {name: visit.request.query_params.get(name, "")[:1000] for name in FILTERS}
    given = {name: value for name, value in shown.items() if value}
    fault, rows, newer, older = None, [], None, None
    scope = visit.scope
    first, last = filters.number(before), filters.number(after)
    try:
        rows = scope.audit.find(
            actor=filters.words(shown["actor"]),
            action=shown["action"] if shown["action"] in ACTIONS else None,
            client=filters.words(shown["client"]),
            job_id=filters.number(shown["job"]),
            since=filters.moment(shown["since"]),
            until=filters.moment(shown["until"], end=True),
            before_id=first,
            after_id=last,
            limit=ROWS + 1,
        )
    except filters.InvalidFilterTime as error:
        fault = error.message()
    more, rows = len(rows) > ROWS, rows[-ROWS:] if last is not None else rows[:ROWS]
    if rows and (first is not None or (last is not None and more)):
        newer = visit.url("/audit", after=rows[0]["id"], **given)
    if rows and (last is not None or more):
        older = visit.url("/audit", before=rows[-1]["id"], **given)
    return visit.render(
        "audit.html",
        rows=rows,
        fault=fault,
        shown=shown,
        given=given,
        clients=scope.clients.find(counted=False),
        actions=sorted(((name, action_word(name)) for name in ACTIONS), key=lambda each: each[1].lower()),
        action_word=action_word,
        detail_words=detail_words,
        newer=newer,
        older=older,
    )
