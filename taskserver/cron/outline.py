"""What a sentence about a schedule has to say, before it is said in any language.

The English and the German sentences are written from the same outline. It decides whether times are listed
("at 06:00 and 18:00") or told as a pace ("every 15 minutes from 08:00 to 17:45"), and which days count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from taskserver.cron.schedule import LAST, Schedule

LENGTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MOST_LISTED = 5

Clock = tuple[int, int]
Window = tuple[Clock, Clock]


class Times(NamedTuple):
    """Either `clock` (times of day to list) or a pace within `windows`; without windows, all day.

    The pace: every `minutes` (evenly, over the hours), every `counted` minutes begun anew with each hour,
    the minute readings `span` in a row, every `hours` at one minute, or at the minutes `past` each hour.
    """

    clock: tuple[Clock, ...] = ()
    minutes: int = 0
    counted: int = 0
    span: tuple[int, int] | None = None
    hours: int = 0
    past: tuple[int, ...] = ()
    windows: tuple[Window, ...] = ()
    in_hours: tuple[int, ...] = ()


class Days(NamedTuple):
    """The days: of the month, the last one, of the week, counted ones; empty where they do not restrict.

    `either` means that a day of the month or a weekday suffices; else both must hold where both are given.
    """

    months: tuple[int, ...]
    dates: tuple[int, ...]
    last: bool
    weekdays: tuple[int, ...]
    counted: tuple[tuple[int, int | str], ...]
    either: bool

    @property
    def by_date(self) -> bool:
        """Whether the day of the month restricts."""
        return bool(self.dates) or self.last

    @property
    def by_weekday(self) -> bool:
        """Whether the weekday restricts."""
        return bool(self.weekdays) or bool(self.counted)


def times_of(schedule: Schedule) -> Times:
    """How to tell the times of day."""
    minutes, hours = values_of(schedule.minutes), values_of(schedule.hours)
    if len(hours) < 24 and len(minutes) * len(hours) <= _MOST_LISTED:
        return Times(clock=tuple((hour, minute) for hour in hours for minute in minutes))
    if len(minutes) == 1:
        if len(hours) == 24:
            return Times(past=minutes)
        if step := stride(hours):
            return Times(hours=step, windows=(((hours[0], minutes[0]), (hours[-1], minutes[0])),))
        return Times(clock=tuple((hour, minutes[0]) for hour in hours))
    return _within(_pace(minutes), minutes, hours)


def days_of(schedule: Schedule) -> Days:
    """How to tell the days; fields that hold every value do not restrict, and OR-ed they lift the other one."""
    months = values_of(schedule.months)
    dates = tuple(sorted(day for day in schedule.monthdays if isinstance(day, int)))
    weekdays = tuple(sorted(schedule.weekdays, key=lambda day: (day + 6) % 7))
    days = Days(
        months=() if len(months) == 12 else months,
        dates=() if len(dates) == 31 else dates,
        last=LAST in schedule.monthdays and len(dates) < 31,
        weekdays=() if len(weekdays) == 7 else weekdays,
        counted=schedule.counted_weekdays,
        either=not schedule.days_are_anded,
    )
    if days.either and not (days.by_date and days.by_weekday):
        return days._replace(dates=(), last=False, weekdays=(), counted=())
    if days.months and days.dates and not days.last and not days.by_weekday:
        return days._replace(months=tuple(month for month in months if LENGTHS[month] >= dates[0]) or months)
    return days


def values_of(mask: int) -> tuple[int, ...]:
    """The values whose bits are set."""
    return tuple(value for value in range(mask.bit_length()) if mask >> value & 1)


def stride(values: Sequence[int]) -> int:
    """The constant distance between at least three values, 0 if there is none."""
    if len(values) < 3:
        return 0
    step = values[1] - values[0]
    return step if all(later - value == step for value, later in pairwise(values)) else 0


def in_a_row(values: Sequence[int], least: int = 3) -> bool:
    """Whether the values follow one another without a hole."""
    return len(values) >= least and values[-1] - values[0] == len(values) - 1


def _pace(minutes: tuple[int, ...]) -> Times:
    step = 60 if len(minutes) < 2 else minutes[1] - minutes[0]
    if minutes == tuple(range(0, 60, step)):
        return Times(minutes=step) if 60 % step == 0 else Times(counted=step)
    if in_a_row(minutes):
        return Times(span=(minutes[0], minutes[-1]))
    return Times(past=minutes)


def _within(pace: Times, minutes: tuple[int, ...], hours: tuple[int, ...]) -> Times:
    if len(hours) == 24:
        return pace
    runs: list[list[int]] = []
    for hour in hours:
        if runs and hour == runs[-1][-1] + 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    if len(runs) > 3:
        return pace._replace(in_hours=hours)
    return pace._replace(windows=tuple(((run[0], minutes[0]), (run[-1], minutes[-1])) for run in runs))
