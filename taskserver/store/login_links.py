"""One-time links that let somebody in who has no password. Kept as hashes; each works once, for a while."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, insert, select, update

from taskserver.database import Database
from taskserver.database.schema import login_links

FIRST_ADMINISTRATOR = "first administrator"
_NEW_PASSWORD = "new password of user "  # noqa: S105


def new_password_of(user_id: int) -> str:
    """The purpose of a link with which a user chooses a password."""
    return f"{_NEW_PASSWORD}{user_id}"


def user_of_purpose(purpose: str) -> int | None:
    """Whose password may be chosen; None where the link is for something else."""
    number = purpose.removeprefix(_NEW_PASSWORD)
    return int(number) if number != purpose and number.isdecimal() else None


class LoginLinks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, link_hash: str, purpose: str, *, lifetime: timedelta) -> None:
        """A new link; earlier ones for the same purpose work no longer."""
        with self._database.write() as connection:
            now = self._database.now()
            connection.execute(
                delete(login_links).where(login_links.c.purpose == purpose, login_links.c.used_at.is_(None))
            )
            values = {"hash": link_hash, "purpose": purpose, "created_at": now, "expires_at": now + lifetime}
            connection.execute(insert(login_links).values(values))

    def works(self, link_hash: str, purpose: str) -> bool:
        with self._database.read() as connection:
            return bool(
                connection.execute(select(exists(select(1).where(*self._fresh(link_hash, purpose))))).scalar()
            )

    def use(self, link_hash: str, purpose: str) -> bool:
        """True for whoever is first with a link that still works; false for everybody after."""
        with self._database.write() as connection:
            used = update(login_links).where(*self._fresh(link_hash, purpose))
            return connection.execute(used.values(used_at=self._database.now())).rowcount == 1

    def _fresh(self, link_hash: str, purpose: str) -> list[ColumnElement[bool]]:
        return [
            login_links.c.hash == link_hash,
            login_links.c.purpose == purpose,
            login_links.c.used_at.is_(None),
            login_links.c.expires_at > self._database.now(),
        ]
