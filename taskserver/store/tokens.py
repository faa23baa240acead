"""API tokens: kept as hashes, each with one role, for one client or for all, and perhaps an end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from taskserver.database import BRIEF, Database, DatabaseUnavailable
from taskserver.database.schema import clients, tokens
from taskserver.store.errors import InvalidUserName, TokenExists, TokenNotFound
from taskserver.store.roles import Grant, Role, client_id_of
from taskserver.store.rows import as_dict

log = logging.getLogger("taskserver.store")

USED_EVERY = timedelta(minutes=1)
LONGEST_NAME = 100

Row = dict[str, Any]


class Tokens:
    """`store.tokens`. A token is a dict of its columns without the hash, with `client` by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        token_hash: str,
        *,
        prefix: str,
        role: Role,
        client: str | None = None,
        expires_at: datetime | None = None,
        created_by: str = "",
    ) -> Row:
        """`prefix` is what people recognise it by. Raises TokenExists, ClientNotFound, InvalidUserName."""
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise InvalidUserName(longest=LONGEST_NAME)
        with self._database.write() as connection:
            if connection.execute(select(tokens.c.id).where(tokens.c.name == name)).first():
                raise TokenExists(name=name)
            values = {
                "name": name,
                "hash": token_hash,
                "prefix": prefix,
                "role": role.value,
                "client_id": client_id_of(connection, client),
                "created_at": self._database.now(),
                "created_by": created_by,
                "expires_at": expires_at,
            }
            connection.execute(insert(tokens).values(values))
            return self._get(connection, name)

    def get(self, name: str) -> Row:
        """Raises TokenNotFound."""
        with self._database.read() as connection:
            return self._get(connection, name)

    def find(self) -> list[Row]:
        with self._database.read() as connection:
            return [_token(row) for row in connection.execute(_select().order_by(tokens.c.name))]

    def use(self, token_hash: str) -> tuple[str, Grant] | None:
        """The name and the one role of a token that is valid now; None for any other."""
        with self._database.read() as connection:
            now = self._database.now()
            row = connection.execute(_select().where(tokens.c.hash == token_hash)).first()
        if row is None or (row.expires_at is not None and row.expires_at <= now):
            return None
        if row.last_used_at is None or now - row.last_used_at > USED_EVERY:
            self._note_use(row.id, now)
        return row.name, Grant(Role(row.role), row.client_id, row.client)

    def delete(self, name: str) -> None:
        with self._database.write() as connection:
            self._get(connection, name)
            connection.execute(delete(tokens).where(tokens.c.name == name))

    def _note_use(self, token_id: int, now: datetime) -> None:
        try:
            with self._database.write(patience=BRIEF) as connection:
                connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=now))
        except DatabaseUnavailable as error:
            log.debug("not kept this time: %s", error)

    @staticmethod
    def _get(connection: Connection, name: str) -> Row:
        row = connection.execute(_select().where(tokens.c.name == name)).first()
        if row is None:
            raise TokenNotFound(name=name)
        return _token(row)


def _select() -> Select[Any]:
    return select(tokens, clients.c.name.label("client")).outerjoin(clients, clients.c.id == tokens.c.client_id)


def _token(row: Any) -> Row:
    token = as_dict(row)
    del token["hash"]
    return token
