"""The one door from routes to the store: what a principal may see and do, and the record of what was done.

`Scope` groups the verbs by what they are about. Every reading verb is given the clients that the principal sees;
what belongs to another client is not found, as if it did not exist. Every action needs a role there, and commits
together with its row in the audit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from taskserver.store import Role, Store
from taskserver.web.scope.account import Account
from taskserver.web.scope.clients import ScopedClients
from taskserver.web.scope.door import Door
from taskserver.web.scope.entries import ScopedEntries
from taskserver.web.scope.figures import ScopedFigures
from taskserver.web.scope.jobs import BulkResult, ScopedJobs
from taskserver.web.scope.people import ScopedAudit, ScopedTokens, ScopedUsers
from taskserver.web.scope.principal import Forbidden, ForbiddenHere, Principal
from taskserver.web.scope.runs import ScopedRuns
from taskserver.web.scope.server import ScopedServer

__all__ = ["BulkResult", "Forbidden", "ForbiddenHere", "Principal", "Role", "Scope"]


class Scope:
    """All that one principal can reach, from one place (`source`, an address) in one request."""

    def __init__(
        self, store: Store, principal: Principal, *, source: str = "", wake: Callable[[], None] | None = None
    ) -> None:
        door = Door(store, principal, source, wake or store.nodes.wake)
        self._door = door
        self.principal = principal
        self.jobs = ScopedJobs(door)
        self.entries = ScopedEntries(door)
        self.runs = ScopedRuns(door)
        self.clients = ScopedClients(door)
        self.server = ScopedServer(door)
        self.figures = ScopedFigures(door)
        self.users = ScopedUsers(door)
        self.tokens = ScopedTokens(door)
        self.audit = ScopedAudit(door)
        self.account = Account(door)

    def now(self) -> datetime:
        """The database's time."""
        return self._door.store.database.now()

    def once(self, key: str | None, request: list[Any], act: Callable[[], Any]) -> tuple[Any, bool]:
        """All that `act` does here is one transaction; under a key that was used before it does nothing.

        `act` returns a JSON value; the answer is that, or the earlier one's, and whether it is the earlier one's.
        Raises KeyReused for another request under the same key.
        """
        with self._door.acting():
            return self._door.once(key, request, act)
