"""Schedules: a cron expression turned into bit masks, and the instants at which it is due.

`parse` is the entrance; the store's queueing of due cron entries and the preview call the schedule. It reads no
clock and knows no job.

The rules are those of Debian's cron(8). Day of month and day of week are OR-ed when neither begins with `*`,
else AND-ed. A schedule whose minute or hour begins with `*` is "wild": it is due whenever the clock on the wall
shows a reading that matches, so a change of the clocks neither adds nor removes an interval. Any other is
"fixed": a reading that is skipped is due right after the gap, and a reading that comes twice is due the first
time. Unlike cron(8), which takes a jump of more than three hours for a correction of the clock, this holds for
jumps of any width: a zone that skips a day does not lose the day's runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from taskserver.cron import grammar
from taskserver.cron.errors import InvalidSchedule, Phrase
from taskserver.cron.zones import end_of_gap, instants_of, repeated_for, wall_of
from taskserver.texts import mark

LAST = "l"
_SHORTEST, _LONGEST = 28, 31
_ALL_DAYS = sum(1 << day for day in range(1, 32))


@dataclass(frozen=True, slots=True)
class Schedule:
    """One cron expression, ready to be asked; immutable. Made by `parse`.

    The masks hold a bit per value; `days[first_weekday][length - 28]` is the mask of the due days in a month that
    begins on that weekday (Monday is 0) and has that many days.
    """

    spec: str
    fields: tuple[grammar.Field, ...]
    minutes: int
    hours: int
    months: int
    days: tuple[tuple[int, ...], ...]
    monthdays: frozenset[int | str]
    weekdays: frozenset[int]
    counted_weekdays: tuple[tuple[int, int | str], ...]

    @property
    def wild(self) -> bool:
        """Whether it runs by elapsed time over a change of the clocks: minute or hour begins with `*`."""
        return self.fields[0].starred or self.fields[1].starred

    @property
    def days_are_anded(self) -> bool:
        """Whether a day must match both day fields: one of them begins with `*`."""
        return self.fields[2].starred or self.fields[4].starred

    @property
    def never(self) -> bool:
        """Whether no date there is matches, as 30 February."""
        lengths = {2: (28, 29)} | dict.fromkeys((4, 6, 9, 11), (30,))
        return not any(
            table[length - _SHORTEST]
            for month in range(1, 13)
            if self.months >> month & 1
            for length in lengths.get(month, (31,))
            for table in self.days
        )

    def next_after(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant strictly after `after` (aware) at which it is due in `zone`, in UTC; None if never."""
        if after.tzinfo is None:
            raise ValueError(f"{after!r} has no time zone")
        moment = after.astimezone(UTC).replace(tzinfo=None)
        try:
            wall = wall_of(moment, zone)
            found = self._next_wild(moment, wall, zone) if self.wild else self._next_fixed(moment, wall, zone)
        except OverflowError:
            return None
        return None if found is None else found.replace(tzinfo=UTC)

    def between(self, after: datetime, until: datetime, zone: ZoneInfo, limit: int) -> list[datetime]:
        """The due instants with after < instant <= until, in order, the first `limit` of them."""
        due: list[datetime] = []
        instant = self.next_after(after, zone) if limit > 0 else None
        while instant is not None and instant <= until:
            due.append(instant)
            instant = self.next_after(instant, zone) if len(due) < limit else None
        return due

    def next_wall(self, wall: datetime) -> datetime | None:
        """The first matching reading (naive) after the minute of `wall`; None if there is none by year 9999."""
        year, month, day = wall.year, wall.month, wall.day
        if self.is_due_on(wall):
            if self.hours >> wall.hour & 1 and (minute := _lowest(self.minutes, wall.minute + 1)) >= 0:
                return datetime(year, month, day, wall.hour, minute)
            if (hour := _lowest(self.hours, wall.hour + 1)) >= 0:
                return datetime(year, month, day, hour, _lowest(self.minutes, 0))
        return self._first_wall_from(year, month, day + 1)

    def is_due_on(self, day: date) -> bool:
        """Whether months and days match; the clocks may still skip its readings."""
        return bool(self.months >> day.month & 1 and self._days_of(day.year, day.month) >> day.day & 1)

    def _first_wall_from(self, year: int, month: int, day: int) -> datetime | None:
        if self.never:
            return None
        while year <= 9999:
            if self.months >> month & 1 and (found := _lowest(self._days_of(year, month), day)) >= 0:
                return datetime(year, month, found, _lowest(self.hours, 0), _lowest(self.minutes, 0))
            month, day = _lowest(self.months, month + 1), 1
            if month < 0:
                year, month = year + 1, _lowest(self.months, 1)
        return None

    def _days_of(self, year: int, month: int) -> int:
        first = date(year, month, 1)
        length = 31 if month == 12 else (date(year, month + 1, 1) - first).days
        return self.days[first.weekday()][length - _SHORTEST]

    def _next_fixed(self, moment: datetime, wall: datetime, zone: ZoneInfo) -> datetime | None:
        """Readings in order give instants in order, the gap's ones all its end; so the first later one is it."""
        reading = self.next_wall(wall)
        while reading is not None:
            instants = instants_of(reading, zone)
            instant = instants[0] if instants else end_of_gap(reading, zone)
            if instant > moment:
                return instant
            reading = self.next_wall(reading)
        return None

    def _next_wild(self, moment: datetime, wall: datetime, zone: ZoneInfo) -> datetime | None:
        reading = self.next_wall(wall)
        if repeated := repeated_for(wall, zone):
            # The clocks are about to go back: what is left of the hour comes first, then the hour from its start.
            if reading is not None and len(instants := instants_of(reading, zone)) == 2:
                return instants[0]
            reading = self.next_wall(wall - repeated)
        while reading is not None:
            for instant in instants_of(reading, zone):
                if instant > moment:
                    return instant
            reading = self.next_wall(reading)
        return None


@lru_cache(maxsize=4096)
def parse(spec: str) -> Schedule:
    """The schedule of a cron expression. Raises InvalidSchedule, which names the field at fault."""
    from croniter import croniter
    from croniter.croniter import CroniterError

    fields = grammar.read(spec)
    try:
        (minutes, hours, monthdays, months, weekdays), counted = croniter.expand(
            " ".join(field.canonical for field in fields)
        )
    except CroniterError as error:
        raise InvalidSchedule(spec, Phrase(mark("croniter refuses it: {error}"), error=error)) from error
    days = _members(monthdays, 1, 31) | ({LAST} if LAST in monthdays else frozenset())
    plain: frozenset[int] = frozenset() if counted else _members(weekdays, 0, 6)
    numbered = _places(counted)
    anded = fields[2].starred or fields[4].starred
    return Schedule(
        spec=spec,
        fields=fields,
        minutes=_mask(_members(minutes, 0, 59)),
        hours=_mask(_members(hours, 0, 23)),
        months=_mask(_members(months, 1, 12)),
        days=_day_table(days, plain, numbered, anded=anded),
        monthdays=days,
        weekdays=plain,
        counted_weekdays=numbered,
    )


def _members(expanded: object, low: int, high: int) -> frozenset[int]:
    values = list(expanded) if isinstance(expanded, list) else []
    if "*" in values:
        return frozenset(range(low, high + 1))
    return frozenset(value for value in values if isinstance(value, int))


def _places(counted: Mapping[Any, Iterable[Any]]) -> tuple[tuple[int, int | str], ...]:
    """croniter's map of weekdays to their places in the month: 1 to 5, or LAST."""
    return tuple((day, place) for day in sorted(counted) for place in sorted(counted[day], key=str))


def _mask(values: frozenset[int]) -> int:
    return sum(1 << value for value in values)


def _lowest(mask: int, start: int) -> int:
    """The lowest value in `mask` that is at least `start`; -1 if there is none."""
    rest = mask >> start
    return start + (rest & -rest).bit_length() - 1 if rest else -1


def _day_table(
    monthdays: frozenset[int | str],
    weekdays: frozenset[int],
    counted: tuple[tuple[int, int | str], ...],
    *,
    anded: bool,
) -> tuple[tuple[int, ...], ...]:
    by_date = sum(1 << day for day in monthdays if isinstance(day, int))
    return tuple(
        tuple(
            _due_days(
                (by_date | (1 << length if LAST in monthdays else 0)) & (2 << length) - 1,
                _weekday_mask(first, length, weekdays, counted),
                anded=anded,
            )
            for length in range(_SHORTEST, _LONGEST + 1)
        )
        for first in range(7)
    )


def _due_days(by_date: int, by_weekday: int, *, anded: bool) -> int:
    return by_date & by_weekday if anded else by_date | by_weekday


def _weekday_mask(
    first: int, length: int, weekdays: frozenset[int], counted: tuple[tuple[int, int | str], ...]
) -> int:
    """The days of a month that begins on `first` (Monday is 0) which are one of the weekdays (Sunday is 0)."""
    mask = 0
    for day in range(1, length + 1):
        weekday = (first + day) % 7
        places: tuple[int | str, ...] = ((day + 6) // 7, LAST) if day + 7 > length else ((day + 6) // 7,)
        if weekday in weekdays or any((weekday, place) in counted for place in places):
            mask |= 1 << day
    return mask
