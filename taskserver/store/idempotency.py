"""Idempotency keys: a request that is sent twice, since its answer was lost, is done once.

The key, what was done and its answer commit in one transaction: there is no moment in which one is there without
the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, text, update

from taskserver.database import Database
from taskserver.database.schema import idempotency_keys
from taskserver.store.errors import KeyReused

KEPT = timedelta(days=1)
BATCH = 100

_TAKE = """
INSERT INTO idempotency_keys (key_hash, request_hash, created_at) VALUES (:key_hash, :request_hash, {now})
ON CONFLICT (key_hash) DO NOTHING
"""


class Idempotency:
    def __init__(self, database: Database) -> None:
        self._database = database

    def once(self, key_hash: str, request_hash: str, act: Callable[[], Any]) -> tuple[Any, bool]:
        """The answer of `act` (a JSON value), and whether it is one from before; `act` runs for the first only.

        A second request under way at the same time waits for the first. What `act` raises undoes all, the key too.
        Raises KeyReused for another request under the same key.
        """
        with self._database.together() as connection:
            now = self._database.now()
            self._forget(connection, now - KEPT)
            instant = "CAST(:now AS timestamptz)" if self._database.dialect.lateral else ":now"
            row = {"key_hash": key_hash, "request_hash": request_hash, "now": self._database.instant(now)}
            if connection.execute(text(_TAKE.format(now=instant)), row).rowcount == 0:
                return self._earlier(connection, key_hash, request_hash), True
            answer = act()
            mine = update(idempotency_keys).where(idempotency_keys.c.key_hash == key_hash)
            connection.execute(mine.values(response=answer))
        return answer, False

    @staticmethod
    def _earlier(connection: Connection, key_hash: str, request_hash: str) -> Any:
        row = connection.execute(select(idempotency_keys).where(idempotency_keys.c.key_hash == key_hash)).one()
        if row.request_hash != request_hash:
            raise KeyReused()
        return row.response

    @staticmethod
    def _forget(connection: Connection, before: datetime) -> None:
        """Keys are free again after a day. Each request clears away more than it leaves behind."""
        old = select(idempotency_keys.c.key_hash).where(idempotency_keys.c.created_at < before).limit(BATCH)
        connection.execute(delete(idempotency_keys).where(idempotency_keys.c.key_hash.in_(old.scalar_subquery())))
