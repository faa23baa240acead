"""What people type into the filters of a list, read for the store: texts, numbers, moments in their own zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from taskserver.errors import UsageError
from taskserver.texts import mark
from taskserver.web.moments import zone

LONGEST = 1000


class InvalidFilterTime(UsageError):
    text = mark("{moment!r} is no time: write 2026-12-24 or 2026-12-24T06:00")


def words(text: str) -> str | None:
    """What is looked for; None for nothing. NUL, which no text in a database has, is left out."""
    return text.replace("\0", "").strip()[:LONGEST] or None


def number(text: str) -> int | None:
    """An id; None for nothing. What is no id finds nothing: 0, which no row has."""
    text = text.strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def moment(text: str, *, end: bool = False) -> datetime | None:
    """The instant that the reader means; with `end` a day is meant to its end. Raises InvalidFilterTime."""
    text = text.strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if len(text) == len("2026-12-24") and end:
            found = datetime.combine(found.date() + timedelta(days=1), time())
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone())
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidFilterTime(moment=text[:LONGEST]) from None
