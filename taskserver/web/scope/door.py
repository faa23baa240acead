"""What all verbs of the scope share: the checks, the transaction, the audit row, the wake-up."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from taskserver.errors import TaskServerError
from taskserver.store import Role, Store
from taskserver.store.errors import ClientNotFound
from taskserver.tasks.schemas import validate_by_schema
from taskserver.web.redaction import redacted
from taskserver.web.scope.principal import Principal

Row = dict[str, Any]

_WITH_SECRETS = frozenset(
    {"data", "checkpoint", "title", "description", "detail", "result", "error", "traceback", "text"}
)
"""Columns of jobs, runs and lines of output. In texts it is the passwords of addresses that are hidden."""


class Door:
    """One principal's way to the store. Only the modules beside this one use it."""

    def __init__(self, store: Store, principal: Principal, source: str, wake: Callable[[], None]) -> None:
        self.store = store
        self.principal = principal
        self.source = source
        self._wake = wake
        self._depth = 0
        self._wakes = False

    @property
    def visible(self) -> frozenset[int] | None:
        return self.principal.visible

    def sees(self, client_id: int | None) -> bool:
        return self.visible is None or client_id in self.visible

    def require(self, role: Role, client_id: int) -> None:
        """Raises Forbidden, after what can't be seen has been said not to be there."""
        self.principal.require(role, client_id)

    def require_everywhere(self, role: Role) -> None:
        self.principal.require_everywhere(role)

    def require_somewhere(self, role: Role) -> None:
        self.principal.require_somewhere(role)

    def filtered(self, conditions: Row) -> Row:
        """The conditions of a search, bound to what can be seen. Raises ClientNotFound, as `client` does."""
        if conditions.get("client") is not None:
            self.client(conditions["client"])
        return {**conditions, "visible": self.visible}

    def client(self, name: str) -> Row:
        """Raises ClientNotFound, for one that can't be seen as for one that is not there."""
        found = self.store.clients.get(name, counted=False)
        if not self.sees(found["id"]):
            raise ClientNotFound(name=name)
        return found

    def checked(self, task: str, data: dict[str, Any]) -> dict[str, Any]:
        """The data as it may be stored. Raises TaskNotFound for an unregistered task, InvalidArguments."""
        return validate_by_schema(self.store.tasks.get(task)["schema"], data, task=task)

    def note(self, action: str, *, client_id: int | None = None, job_id: int | None = None, **detail: Any) -> None:
        """The row of the audit; inside `acting` it commits with the action."""
        self.store.audit.write(
            action,
            actor=self.principal.actor,
            source=self.source,
            client_id=client_id,
            job_id=job_id,
            detail=redacted(detail),
        )

    @contextlib.contextmanager
    def acting(self, *, wakes: bool = False) -> Iterator[None]:
        """One transaction of checks, action and audit row; with `wakes` the daemons are told after its commit.

        A block in a block is part of the outer one's transaction.
        """
        self._depth += 1
        try:
            with self.store.together():
                yield
            self._wakes |= wakes
        finally:
            self._depth -= 1
        if self._depth == 0 and self._wakes:
            self._wakes = False
            with contextlib.suppress(TaskServerError):  # it is done; they will find it by themselves
                self._wake()

    def once(self, key: str | None, request: list[Any], act: Callable[[], Any]) -> tuple[Any, bool]:
        """What `act` returns, and whether that is the answer of an earlier request under the same key."""
        if key is None:
            return act(), False
        who = "\x1f".join((self.principal.kind, self.principal.name, self.principal.identity, key))
        asked = json.dumps(request, sort_keys=True, default=str)
        return self.store.idempotency.once(_hash(who), _hash(asked), act)

    @staticmethod
    def shown(row: Row) -> Row:
        """A row without the secrets in it."""
        return {name: redacted(value) if name in _WITH_SECRETS else value for name, value in row.items()}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
