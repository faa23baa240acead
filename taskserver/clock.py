"""Instants: aware datetimes in UTC, and the one text form that SQLite keeps them in.

The store's clock is the database's time. A `Clock` is any callable that returns the present instant; tests
inject one that they advance by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present instant by this machine's clock, aware, in UTC."""
    return datetime.now(UTC)


def to_text(instant: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS.ffffff` in UTC: fixed width, so that texts compare as the instants do.

    Raises ValueError for a naive datetime, which would be an instant of nowhere.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def from_text(text: str) -> datetime:
    """The instant that `to_text` wrote. Raises ValueError for anything else."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def to_rfc3339(instant: datetime) -> str:
    """`2026-11-22T08:00:00Z`, with microseconds only where there are any: what people and JSON get."""
    moment = instant.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat("T", "microseconds" if moment.microsecond else "seconds") + "Z"
