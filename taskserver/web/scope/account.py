"""A user's own account: whatever role they have, or none."""

from __future__ import annotations

from typing import Any

from taskserver.errors import UsageError
from taskserver.store import Role
from taskserver.texts import mark
from taskserver.web.scope.door import Door, Row
from taskserver.web.scope.principal import Forbidden
from taskserver.web.security.passwords import hashed, verified

SETTINGS = frozenset({"language", "time_zone", "theme", "shortcuts"})


class WrongPassword(UsageError):
    text = mark("the present password is not right")


class Account:
    """`scope.account`. A token has none: Forbidden."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def get(self) -> Row:
        return self._door.store.users.get(self._name())

    def sessions(self) -> list[Row]:
        self._name()
        return self._door.store.sessions.of_user(self._door.principal.user_id or 0)

    def edit(self, **changed: Any) -> None:
        """language, time_zone, theme, shortcuts."""
        unknown = set(changed) - SETTINGS
        if unknown:
            raise TypeError(f"not one's own to change: {sorted(unknown)}")
        with self._door.acting():
            self._door.store.users.edit(self._name(), **changed)
            self._door.note("account.edit", **changed)

    def set_password(self, present: str, new: str, *, keep_session: str | None) -> None:
        """Signs the user out everywhere but in the session with this hash. Raises WrongPassword, WeakPassword."""
        name = self._name()
        known = self._door.store.users.credentials(name)
        if known is None or not verified(known[1], present):
            raise WrongPassword()
        password_hash = hashed(new, name=name)
        with self._door.acting():
            self._door.store.users.set_password_hash(name, password_hash, keep_session=keep_session)
            self._door.note("account.set_password")

    def end_other_sessions(self, id_hash: str) -> int:
        self._name()
        with self._door.acting():
            count = self._door.store.sessions.end_others(self._door.principal.user_id or 0, id_hash)
            self._door.note("account.end_other_sessions", count=count)
        return count

    def _name(self) -> str:
        if self._door.principal.user_id is None:
            raise Forbidden(needs=Role.VIEWER)
        return self._door.principal.name
