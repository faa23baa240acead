"""The navigation: every page that there may be, in order. One without a route is not shown: no dead links."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from taskserver.store import Role
from taskserver.texts import mark
from taskserver.web.scope import Principal


@dataclass(frozen=True, slots=True)
class Entry:
    """`key` follows g on the keyboard. `everywhere` is the role for all clients that the page needs; None: any."""

    path: str
    title: str
    key: str
    everywhere: Role | None = None


ENTRIES = (
    Entry("/tasks", mark("Tasks"), "t"),
    Entry("/cron-entries", mark("Cron entries"), "c"),
    Entry("/history", mark("History"), "h"),
    Entry("/failures", mark("Failures"), "f"),
    Entry("/nodes", mark("Nodes"), "n", Role.VIEWER),
    Entry("/clients", mark("Clients"), "m"),
    Entry("/users", mark("Users"), "u", Role.ADMINISTRATOR),
    Entry("/audit", mark("Audit"), "a", Role.ADMINISTRATOR),
    Entry("/settings", mark("Settings"), "e", Role.ADMINISTRATOR),
    Entry("/server", mark("Server"), "s", Role.VIEWER),
)


def entries_for(principal: Principal, paths: Collection[str], *, task_manager: bool) -> Iterator[Entry]:
    """What this principal is shown, of the pages that have a route; without any role there is nothing to see."""
    if not principal.grants:
        return
    for entry in ENTRIES:
        if entry.path not in paths or (entry.path == "/tasks" and not task_manager):
            continue
        if entry.everywhere is None or principal.may_everywhere(entry.everywhere):
            yield entry
