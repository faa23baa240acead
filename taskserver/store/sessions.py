"""Sessions: who is signed in to the console, from where, and until when.

A session is known by the hash of its id; the id itself is in the browser's cookie alone, so that who reads the
database can't become anybody.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from taskserver.database import BRIEF, Database, DatabaseUnavailable
from taskserver.database.schema import sessions, users
from taskserver.store.roles import grants_of_users
from taskserver.store.rows import as_dict

log = logging.getLogger("taskserver.store")

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is kept when a session was last used: not each click is worth a write."""

BATCH = 500

MESSAGES = 10
"""So many of the last messages are kept for a session's next page."""

Row = dict[str, Any]


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, id_hash: str, user_id: int, *, lifetime: timedelta, source: str) -> None:
        """A new session, from now on; the user's last login is kept too."""
        with self._database.write() as connection:
            now = self._database.now()
            values = {
                "id_hash": id_hash,
                "user_id": user_id,
                "created_at": now,
                "seen_at": now,
                "expires_at": now + lifetime,
                "source": source,
            }
            connection.execute(insert(sessions).values(values))
            connection.execute(update(users).where(users.c.id == user_id).values(last_login_at=now))

    def resume(self, id_hash: str, *, idle: timedelta) -> Row | None:
        """The session with its `user` (a dict, with `roles`); None: it is over, or its user not active."""
        with self._database.read() as connection:
            now = self._database.now()
            row = connection.execute(
                select(sessions).where(
                    sessions.c.id_hash == id_hash, sessions.c.expires_at > now, sessions.c.seen_at > now - idle
                )
            ).first()
            if row is None:
                return None
            user = connection.execute(select(users).where(users.c.id == row.user_id, users.c.active)).first()
            if user is None:
                return None
            grants = grants_of_users(connection, [user.id]).get(user.id, [])
        if now - row.seen_at > SEEN_EVERY:
            self._write_when_free(update(sessions).where(sessions.c.id_hash == id_hash).values(seen_at=now))
        known = {name: value for name, value in as_dict(user).items() if name != "password_hash"}
        return {**as_dict(row), "user": {**known, "roles": grants}}

    def end(self, id_hash: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.id_hash == id_hash))

    def end_others(self, user_id: int, id_hash: str) -> int:
        """Signs the user out everywhere but here; returns how many sessions that ended."""
        with self._database.write() as connection:
            others = (sessions.c.user_id == user_id) & (sessions.c.id_hash != id_hash)
            return connection.execute(delete(sessions).where(others)).rowcount

    def of_user(self, user_id: int) -> list[Row]:
        """The sessions that are not over yet, the last used first."""
        with self._database.read() as connection:
            mine = select(sessions).where(
                sessions.c.user_id == user_id, sessions.c.expires_at > self._database.now()
            )
            return [
                as_dict(row) for row in connection.execute(mine.order_by(sessions.c.seen_at.desc()).limit(100))
            ]

    def tell(self, id_hash: str, message: dict[str, str]) -> None:
        """Kept for the next page that this session is shown, with at most MESSAGES others."""
        with self._database.write() as connection:
            mine = sessions.c.id_hash == id_hash
            told = connection.execute(select(sessions.c.flash).where(mine).with_for_update()).scalar()
            messages = [*(told or ()), message][-MESSAGES:]
            connection.execute(update(sessions).where(mine).values(flash=messages))

    def take_messages(self, id_hash: str) -> list[dict[str, str]]:
        """What was told, once. A page that only looks must not wait for a writer: rather it is told again."""
        mine = sessions.c.id_hash == id_hash
        try:
            with self._database.write(patience=BRIEF) as connection:
                told = connection.execute(select(sessions.c.flash).where(mine).with_for_update()).scalar()
                connection.execute(update(sessions).where(mine).values(flash=None))
        except DatabaseUnavailable as error:
            log.debug("not taken away this time: %s", error)
            with self._database.read() as connection:
                told = connection.execute(select(sessions.c.flash).where(mine)).scalar()
        return list(told or ())

    def prune(self, *, idle: timedelta) -> int:
        """Removes at most BATCH sessions that are over; returns how many."""
        with self._database.write() as connection:
            now: datetime = self._database.now()
            over = (sessions.c.expires_at <= now) | (sessions.c.seen_at <= now - idle)
            doomed = select(sessions.c.id_hash).where(over).limit(BATCH)
            return connection.execute(
                delete(sessions).where(sessions.c.id_hash.in_(doomed.scalar_subquery()))
            ).rowcount

    def _write_when_free(self, statement: Any) -> None:
        """A page that only looks must not wait for a writer."""
        try:
            with self._database.write(patience=BRIEF) as connection:
                connection.execute(statement)
        except DatabaseUnavailable as error:
            log.debug("not kept this time: %s", error)
