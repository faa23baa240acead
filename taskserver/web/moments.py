"""Times and durations as people read them on a page: in their own time zone, which the page names."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from taskserver.texts import language, plural, translate

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def use_zone(name: str) -> None:
    """Times of this context are from now on in that zone; an unknown one means UTC."""
    _zone.set(_zone_named(name))


def zone_name() -> str:
    zone = _zone.get()
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def zone() -> tzinfo:
    return _zone.get()


@cache
def zones() -> tuple[str, ...]:
    """Every zone there is, by name. Looking for them opens hundreds of files: once is enough."""
    return tuple(sorted(available_timezones()))


@lru_cache(maxsize=200)
def _zone_named(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, or one that is no name of a file
        return UTC


def local(instant: datetime | None, *, seconds: bool = True) -> str:
    """`2026-11-22 09:00:00`, in German `22.11.2026 09:00:00`; "" for None."""
    if instant is None:
        return ""
    day = "%d.%m.%Y" if language() == "de" else "%Y-%m-%d"
    with suppress(OverflowError):  # in the year 10000 of the zone: one such row must not cost a page
        instant = instant.astimezone(_zone.get())
    return instant.strftime(f"{day} %H:%M:%S" if seconds else f"{day} %H:%M")


def machine(instant: datetime | None) -> str:
    """For the `datetime` attribute of a `<time>`."""
    return "" if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds")


def span(duration: timedelta | float | None) -> str:
    """`0.4 s`, `2 min 5 s`, `3 h 0 min`, `2 d 4 h`; "" for None."""
    if duration is None:
        return ""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if seconds < 10:
        tenths = f"{max(seconds, 0.0):.1f}"
        return translate("{seconds} s", seconds=tenths.replace(".", ",") if language() == "de" else tenths)
    if seconds < 60:
        return translate("{seconds} s", seconds=round(seconds))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return translate("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return translate("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return translate("{days} d {hours} h", days=hours // 24, hours=hours % 24)


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago, in one unit; "" for None."""
    if instant is None:
        return ""
    seconds = max((now - instant).total_seconds(), 0)
    if seconds < 60:
        return plural("{count} second ago", "{count} seconds ago", int(seconds))
    if seconds < 3600:
        return plural("{count} minute ago", "{count} minutes ago", int(seconds // 60))
    if seconds < 48 * 3600:
        return plural("{count} hour ago", "{count} hours ago", int(seconds // 3600))
    return plural("{count} day ago", "{count} days ago", int(seconds // 86400))
