"""The configuration in force, as `config show --origin` prints it: to be read, not to be changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from taskserver.config import effective
from taskserver.config.faults import dotted
from taskserver.config.structure import TASKS
from taskserver.store import Role
from taskserver.web.pages import page_router
from taskserver.web.redaction import redacted
from taskserver.web.visit import Visiting

router = page_router()


@router.get("/settings")
def settings(visit: Visiting) -> Response:
    visit.scope.principal.require_everywhere(Role.ADMINISTRATOR)
    known = visit.console.settings
    return visit.render(
        "settings.html", tables=list(_tables(effective(known), known.origins)), warnings=known.warnings
    )


def _tables(
    values: dict[str, Any], origins: dict[str, str], path: tuple[str, ...] = (), origin: str = ""
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Each table with its own keys (name, value, where it comes from), then the tables in it."""
    rows = []
    for name, value in values.items():
        if not isinstance(value, dict):
            shown = "" if value is None else json.dumps(value, ensure_ascii=False)
            rows.append((name, shown, origins.get(dotted((*path, name)), origin)))
    if rows:
        yield dotted(path), rows
    for name, value in values.items():
        if isinstance(value, dict):
            here = (*path, name)
            # Environment variables and defaults of a command have names of people's own choice.
            inner = redacted(value) if path[:1] == (TASKS,) and len(path) == 2 else value
            yield from _tables(inner, origins, here, origins.get(dotted(here), ""))
