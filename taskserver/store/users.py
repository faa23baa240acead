"""Users of the console: their names, password hashes, settings and roles.

A password never comes here, its hash alone does. Users are not the logins under which a client's jobs run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from taskserver.database import Database
from taskserver.database.schema import login_links, sessions, user_roles, users
from taskserver.store.errors import InvalidUserName, LastAdministrator, NamedAsToken, UserExists, UserNotFound
from taskserver.store.login_links import new_password_of, user_of_purpose
from taskserver.store.roles import Role, client_id_of, grants_of_users, replace_grant
from taskserver.store.rows import as_dict

EDITABLE = frozenset({"new_name", "language", "time_zone", "theme", "shortcuts", "active"})
LONGEST_NAME = 100

Row = dict[str, Any]


class Users:
    """`store.users`. A user is a dict of its columns without the hash, with `roles` (a list of Grant) and
    `has_password`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        password_hash: str | None = None,
        *,
        language: str | None = None,
        time_zone: str | None = None,
        role: Role | None = None,
        client: str | None = None,
    ) -> Row:
        """Adds a user, with one role if given (`client` None: for all).

        Raises UserExists, InvalidUserName, NamedAsToken.
        """
        _check_name(name)
        with self._database.write() as connection:
            self._refuse_twin(connection, name)
            values = {
                "name": name,
                "password_hash": password_hash,
                "language": language,
                "time_zone": time_zone,
                "created_at": self._database.now(),
            }
            user_id = connection.execute(insert(users).values(values).returning(users.c.id)).scalar_one()
            if role is not None:
                replace_grant(connection, user_id, client_id_of(connection, client), role)
            return self._get(connection, name)

    def get(self, name: str) -> Row:
        """Raises UserNotFound."""
        with self._database.read() as connection:
            return self._get(connection, name)

    def find(self) -> list[Row]:
        """Every user, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
            grants = grants_of_users(connection, (row.id for row in rows))
        return [{**_user(row), "roles": grants.get(row.id, [])} for row in rows]

    def any(self) -> bool:
        """Whether there is a user at all: without one the first login makes the administrator."""
        with self._database.read() as connection:
            return bool(connection.execute(select(exists(select(users.c.id)))).scalar())

    def credentials(self, name: str) -> tuple[int, str] | None:
        """The id and the password hash of an active user who has a password; None for anybody else."""
        with self._database.read() as connection:
            row = connection.execute(
                select(users.c.id, users.c.password_hash).where(
                    users.c.name == name, users.c.active, users.c.password_hash.is_not(None)
                )
            ).first()
        return None if row is None else (row.id, row.password_hash)

    def edit(self, name: str, **changed: Any) -> None:
        """Changes columns of EDITABLE. One who is no longer active is signed out at once.

        Raises UserNotFound, UserExists, InvalidUserName, NamedAsToken, LastAdministrator.
        """
        unknown = set(changed) - EDITABLE
        if unknown:
            raise ValueError(f"not to be edited: {sorted(unknown)}")
        with self._database.write() as connection, self._keeping_an_administrator(connection):
            user = self._get(connection, name)
            new_name = changed.pop("new_name", None)
            if new_name is not None and new_name != name:
                _check_name(new_name)
                self._refuse_twin(connection, new_name)
                changed["name"] = new_name
            if changed:
                connection.execute(update(users).where(users.c.id == user["id"]).values(changed))
            if changed.get("active") is False:
                connection.execute(delete(sessions).where(sessions.c.user_id == user["id"]))

    def set_password_hash(self, name: str, password_hash: str, *, keep_session: str | None = None) -> None:
        """Ends every session of the user but that with the hash `keep_session`: they may be a thief's. Links with
        which a password could be chosen are worth nothing any more."""
        with self._database.write() as connection:
            user = self._get(connection, name)
            connection.execute(update(users).where(users.c.id == user["id"]).values(password_hash=password_hash))
            ended = delete(sessions).where(sessions.c.user_id == user["id"])
            if keep_session is not None:
                ended = ended.where(sessions.c.id_hash != keep_session)
            connection.execute(ended)
            self._drop_links(connection, user["id"])

    def renew_hash(self, user_id: int, old: str, new: str) -> None:
        """The same password, hashed as it is done today; no session ends."""
        with self._database.write() as connection:
            same = (users.c.id == user_id) & (users.c.password_hash == old)
            connection.execute(update(users).where(same).values(password_hash=new))

    def set_role(self, name: str, role: Role | None, client: str | None = None) -> None:
        """The role in a client, or in all (`client` None); a role of None takes it away.

        Raises UserNotFound, ClientNotFound, LastAdministrator.
        """
        with self._database.write() as connection, self._keeping_an_administrator(connection):
            user = self._get(connection, name)
            replace_grant(connection, user["id"], client_id_of(connection, client), role)

    def delete(self, name: str) -> None:
        """With roles and sessions. The last user may go: then the first login is as it was at the beginning."""
        with self._database.write() as connection, self._keeping_an_administrator(connection):
            user = self._get(connection, name)
            connection.execute(delete(users).where(users.c.id == user["id"]))
            self._drop_links(connection, user["id"])

    def waits_for_password(self, link_hash: str) -> Row | None:
        """The active user who may choose a password by this link, if it still works."""
        with self._database.read() as connection:
            purpose = connection.execute(
                select(login_links.c.purpose).where(
                    login_links.c.hash == link_hash,
                    login_links.c.used_at.is_(None),
                    login_links.c.expires_at > self._database.now(),
                )
            ).scalar()
            user_id = user_of_purpose(purpose or "")
            row = connection.execute(select(users).where(users.c.id == user_id, users.c.active)).first()
        return None if row is None else _user(row)

    @staticmethod
    def _drop_links(connection: Connection, user_id: int) -> None:
        """The number may be another user's one day."""
        connection.execute(delete(login_links).where(login_links.c.purpose == new_password_of(user_id)))

    def _get(self, connection: Connection, name: str) -> Row:
        row = connection.execute(select(users).where(users.c.name == name)).first()
        if row is None:
            raise UserNotFound(name=name)
        return {**_user(row), "roles": grants_of_users(connection, [row.id]).get(row.id, [])}

    @staticmethod
    def _refuse_twin(connection: Connection, name: str) -> None:
        if connection.execute(select(users.c.id).where(users.c.name == name)).first():
            raise UserExists(name=name)

    @contextmanager
    def _keeping_an_administrator(self, connection: Connection) -> Iterator[None]:
        """Raises LastAdministrator when the block leaves users, and none of them who could give anybody a role."""
        self._database.dialect.lock_key(connection, "administrators")
        had_one = self._has_administrator(connection)
        yield
        has_users = exists(select(users.c.id))
        if had_one and not self._has_administrator(connection) and connection.execute(select(has_users)).scalar():
            raise LastAdministrator()

    @staticmethod
    def _has_administrator(connection: Connection) -> bool:
        administrators = (
            select(user_roles.c.id)
            .join(users, users.c.id == user_roles.c.user_id)
            .where(user_roles.c.client_id.is_(None), user_roles.c.role == Role.ADMINISTRATOR.value, users.c.active)
        )
        return bool(connection.execute(select(exists(administrators))).scalar())


def _check_name(name: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidUserName(longest=LONGEST_NAME)
    if name.casefold().startswith("token "):
        raise NamedAsToken()


def _user(row: Any) -> Row:
    user = as_dict(row)
    user["has_password"] = user.pop("password_hash") is not None
    return user
