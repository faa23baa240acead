"""Wall time and instants: which instants a reading of the clock has in a zone, and when a zone's clocks change.

The schedule and the warnings call it. Walls are naive datetimes as a clock on the wall shows them; instants are
naive datetimes in UTC inside this package, so that comparing them costs little. It knows no cron expression.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from taskserver.cron.errors import InvalidTimeZone

_ONE_DAY = timedelta(days=1)
_ONE_SECOND = timedelta(seconds=1)
_CENTRAL_EUROPE = frozenset({"MEZ", "MESZ", "CEST"})


class ClockChange(NamedTuple):
    """The clocks jump from wall `before` to wall `after` at `instant` (naive, UTC)."""

    instant: datetime
    before: datetime
    after: datetime

    @property
    def forward(self) -> bool:
        """Whether readings are skipped; otherwise they are repeated."""
        return self.after > self.before


def check_time_zone(name: str) -> ZoneInfo:
    """The zone of that name. Raises InvalidTimeZone, with the nearest name there is."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidTimeZone(name, _nearest_zone(name)) from None


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock in `zone` shows at `instant` (naive, UTC): naive, `fold` telling a repeated reading."""
    return instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def instants_of(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants at which the clock shows `wall`: none in a gap, two in a repeated hour, else one."""
    first = wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    if first == second:
        return (wall - first,)
    return (wall - first, wall - second) if first > second else ()


def repeated_for(wall: datetime, zone: ZoneInfo) -> timedelta:
    """By how much the clocks will go back after `wall` (`fold` 0) so that it is shown again; zero if never."""
    instants = instants_of(wall, zone)
    return instants[1] - instants[0] if len(instants) == 2 and wall.fold == 0 else timedelta()


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after the gap that swallows `wall`."""
    early = wall - (wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta())
    late = wall - (wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta())
    return _change_between(early, late, zone)


def clock_changes(after: datetime, until: datetime, zone: ZoneInfo) -> list[ClockChange]:
    """Every change of the clocks in `zone` between two instants (naive, UTC), in order."""
    changes = []
    day = after.replace(microsecond=0)
    while day < until:
        next_day = min(day + _ONE_DAY, until)
        if _offset(day, zone) != _offset(next_day, zone):
            instant = _change_between(day, next_day, zone)
            before = instant + _offset(instant - _ONE_SECOND, zone)
            changes.append(ClockChange(instant, before, instant + _offset(instant, zone)))
        day = next_day
    return changes


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()


def _change_between(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second in (early, late] with the offset of `late`, there being one change between."""
    target = _offset(late, zone)
    low, high = 0, int((late - early) / _ONE_SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(early + middle * _ONE_SECOND, zone) == target:
            high = middle
        else:
            low = middle
    return (early + high * _ONE_SECOND).replace(microsecond=0)


def _nearest_zone(name: str) -> str | None:
    if name.upper() in _CENTRAL_EUROPE:
        return "Europe/Berlin"
    known = sorted(available_timezones())
    wanted = name.strip().replace(" ", "_").casefold()
    by_city = {zone.rpartition("/")[2].casefold(): zone for zone in reversed(known)}
    by_name = {zone.casefold(): zone for zone in known}
    for names in (by_name, by_city):
        near = get_close_matches(wanted, names, n=1, cutoff=0.8)
        if near:
            return names[near[0]]
    return None
