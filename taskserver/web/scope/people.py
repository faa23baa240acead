"""Users, tokens and the audit, through the door: all of it needs an administrator for all clients."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from taskserver.store import Role
from taskserver.store.login_links import new_password_of
from taskserver.web.scope.door import Door, Row
from taskserver.web.security.passwords import hashed
from taskserver.web.security.tokens import new_secret, new_token, secret_hash

LINK_LIFETIME = timedelta(hours=24)


class ScopedUsers:
    """`scope.users`: by name."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self) -> list[Row]:
        self._door.require_everywhere(Role.ADMINISTRATOR)
        return self._door.store.users.find()

    def get(self, name: str) -> Row:
        self._door.require_everywhere(Role.ADMINISTRATOR)
        return self._door.store.users.get(name)

    def add(
        self,
        name: str,
        password: str | None = None,
        *,
        role: Role | None = None,
        client: str | None = None,
        language: str | None = None,
        time_zone: str | None = None,
    ) -> Row:
        """Raises UserExists, InvalidUserName, WeakPassword. The role is for all clients unless one is given."""
        self._door.require_everywhere(Role.ADMINISTRATOR)
        password_hash = None if password is None else hashed(password, name=name)
        with self._door.acting():
            user = self._door.store.users.add(
                name, password_hash, role=role, client=client, language=language, time_zone=time_zone
            )
            self._door.note("user.add", user=name, role=role, client=client)
        return user

    def edit(self, name: str, **changed: Any) -> None:
        """Columns of `store.users.EDITABLE`."""
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.users.edit(name, **changed)
            self._door.note("user.edit", user=name, **changed)

    def set_password(self, name: str, password: str) -> None:
        """Signs the user out everywhere."""
        self._door.require_everywhere(Role.ADMINISTRATOR)
        password_hash = hashed(password, name=name)
        with self._door.acting():
            self._door.store.users.set_password_hash(name, password_hash)
            self._door.note("user.set_password", user=name)

    def make_password_link(self, name: str) -> str:
        """The secret of a link with which the user chooses a password; earlier ones work no longer.

        It works once and for a day. Present password and sessions stay until then.
        """
        secret = new_secret()
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            user = self._door.store.users.get(name)
            purpose = new_password_of(user["id"])
            self._door.store.login_links.make(secret_hash(secret), purpose, lifetime=LINK_LIFETIME)
            self._door.note("user.make_password_link", user=name)
        return secret

    def set_role(self, name: str, role: Role | None, client: str | None = None) -> None:
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.users.set_role(name, role, client)
            self._door.note("user.set_role", user=name, role=role, client=client)

    def delete(self, name: str) -> None:
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.users.delete(name)
            self._door.note("user.delete", user=name)


class ScopedTokens:
    """`scope.tokens`: by name."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self) -> list[Row]:
        self._door.require_everywhere(Role.ADMINISTRATOR)
        return self._door.store.tokens.find()

    def add(
        self, name: str, *, role: Role, client: str | None = None, expires_at: datetime | None = None
    ) -> tuple[Row, str]:
        """The token's row and the token itself, which nobody can be shown again."""
        token = new_token()
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            row = self._door.store.tokens.add(
                name,
                token.hash,
                prefix=token.prefix,
                role=role,
                client=client,
                expires_at=expires_at,
                created_by=self._door.principal.actor,
            )
            self._door.note("token.add", name=name, role=role, client=client)
        return row, token.text

    def delete(self, name: str) -> None:
        with self._door.acting():
            self._door.require_everywhere(Role.ADMINISTRATOR)
            self._door.store.tokens.delete(name)
            self._door.note("token.delete", name=name)


class ScopedAudit:
    """`scope.audit`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def find(self, *, client: str | None = None, **wanted: Any) -> list[Row]:
        """Conditions as `store.audit.find` has them, the client by name. Raises ClientNotFound."""
        self._door.require_everywhere(Role.ADMINISTRATOR)
        if client is not None:
            wanted["client_id"] = self._door.client(client)["id"]
        return self._door.store.audit.find(**{**wanted, "visible": self._door.visible})
