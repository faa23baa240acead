"""What pages say of the server as a whole: whether it runs, and whether jobs start by themselves.

Only higher layers know the daemon's pidfile and control socket, so that look is handed in; it is made once in a
while, not for each page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from taskserver.errors import TaskServerError
from taskserver.server_words import DEAD, RUNNING, STOPPED, UNKNOWN
from taskserver.store import Store
from taskserver.store.overview import COUNTED
from taskserver.texts import plural, translate

KEPT_SECONDS = 2.0

DRAINING = "draining"
_NOT_WORKING = (STOPPED, DEAD, UNKNOWN, DRAINING)


class ServerStatus:
    """`look` returns what `status --json` prints, with `state` at least."""

    def __init__(self, store: Store, node_id: str, look: Callable[[], dict[str, Any]]) -> None:
        self._store = store
        self._node_id = node_id
        self._look = look
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any], bool] | None = None

    def document(self) -> dict[str, Any]:
        return self._current()[0]

    def is_running(self) -> bool:
        """Whether the daemon beside this console runs, or one elsewhere works on the same database."""
        return self._current()[1]

    def lacking(self) -> str | None:
        """What keeps work from being done, in a word that strangers may read; None: nothing. Asked anew each time.

        A daemon counts by its heartbeat, which its dispatcher gives; one that is known to have died does not.
        """
        try:
            alive = {node["node_id"] for node in self._store.nodes.alive()}
        except TaskServerError:
            return "the database does not answer"
        if self.document().get("state") != RUNNING:
            alive.discard(self._node_id)
        return None if alive else "no task server takes work"

    def banners(self, waiting: int | None) -> list[dict[str, str]]:
        """`waiting`: how many jobs wait while none starts by itself; None: they start."""
        found = []
        document, is_running = self._current()
        if not is_running:
            found.append({"kind": "bad", "text": _why_nothing_starts(document)})
        if waiting is not None:
            found.append({"kind": "note", "text": _why_none_by_itself(waiting)})
        return found

    def _current(self) -> tuple[dict[str, Any], bool]:
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > KEPT_SECONDS:
                document = self._look()
                self._known = (time.monotonic(), document, self._runs(document))
            return self._known[1], self._known[2]

    def _runs(self, document: dict[str, Any]) -> bool:
        if document["state"] not in _NOT_WORKING:
            return True
        elsewhere = (node for node in self._store.nodes.alive() if node["node_id"] != self._node_id)
        return any(elsewhere)


def _why_nothing_starts(document: dict[str, Any]) -> str:
    if document["state"] == DRAINING:
        return translate("The task server is stopping: no further job starts.")
    if document["state"] == UNKNOWN:
        return translate("Whether the task server is running cannot be told.")
    return translate("The task server is not running: no job starts.")


def _why_none_by_itself(waiting: int) -> str:
    if waiting >= COUNTED:
        return translate("Jobs do not start automatically now; more than {count} jobs wait.", count=COUNTED)
    return plural(
        "Jobs do not start automatically now; {count} job waits.",
        "Jobs do not start automatically now; {count} jobs wait.",
        waiting,
    )
