"""Moments as people write them on the command line, read in their time zone.

Called by the options `--at`, `--after`, `--from` and `--to`. Decides purely: the present moment is given.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from taskserver.errors import UsageError
from taskserver.texts import mark

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RELATIVE = re.compile(r"([+-])((?:\d+[smhdw])+)")
_PART = re.compile(r"(\d+)([smhdw])")
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


class InvalidMoment(UsageError):
    text = mark(
        "{moment!r} is no time: write 2026-12-24T06:00 (local), 2026-12-24T06:00+01:00, 2026-12-24, 06:00 or +10m "
        "(s, m, h, d, w)"
    )


class InvalidSpan(UsageError):
    text = mark("{span!r} is no duration: write seconds, or 90s, 10m, 2h, 1h30m")


def read_moment(text: str, *, zone: tzinfo | None, now: datetime) -> datetime:
    """The instant in UTC. A time of day is the next one.

    Without an offset it is a time in `zone` (None: this machine's). Raises InvalidMoment.
    """
    text = text.strip()
    try:
        if text == "now":
            return now.astimezone(UTC)
        if relative := _RELATIVE.fullmatch(text):
            return now.astimezone(UTC) + _span_of(relative[2]) * (-1 if relative[1] == "-" else 1)
        if _TIME.fullmatch(text):
            return _next_time_of_day(time.fromisoformat(text.zfill(5)), zone, now)
        return _in_zone(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError) as error:
        raise InvalidMoment(moment=text) from error


def read_span(text: str) -> timedelta:
    """Seconds as a plain number, or parts like `1h30m`. Raises InvalidSpan."""
    text = text.strip()
    try:
        return _span_of(text) if _RELATIVE.fullmatch(f"+{text}") else timedelta(seconds=_positive(float(text)))
    except (ValueError, OverflowError) as error:
        raise InvalidSpan(span=text) from error


def _positive(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(seconds)
    return seconds


def _span_of(parts: str) -> timedelta:
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PART.findall(parts)), timedelta())


def _next_time_of_day(wanted: time, zone: tzinfo | None, now: datetime) -> datetime:
    today = now.astimezone(zone).date()
    for day in (today, today + timedelta(days=1)):
        moment = _in_zone(datetime.combine(day, wanted), zone)
        if moment > now:
            break
    return moment


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)
