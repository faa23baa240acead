"""Warnings about the nights in which the clocks change and a schedule falls into the gap or the repeated hour.

`traps` calls it; it also owns what a warning is. It looks a year ahead in the zone's own rules and says for each
change on which date it is and what will happen. A schedule that runs in every hour passes these nights unharmed
and is not warned about.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskserver.cron import english, german
from taskserver.cron.schedule import Schedule
from taskserver.cron.zones import ClockChange, clock_changes

_ONE_YEAR = timedelta(days=366)
_INSTANT = timedelta(microseconds=1)
_MOST_NAMED = 4


class Warning(NamedTuple):
    """A trap: a stable code for programs, a sentence in each language for people."""

    code: str
    en: str
    de: str


class _Words(NamedTuple):
    """The same piece of a sentence in both languages."""

    en: str
    de: str


def clock_warnings(schedule: Schedule, *, zone: ZoneInfo, after: datetime) -> list[Warning]:
    """One warning for each change of the clocks within a year after `after` (aware) that touches the schedule."""
    if schedule.hours == (1 << 24) - 1:
        return []
    start = after.astimezone(UTC).replace(tzinfo=None)
    warnings = []
    for change in clock_changes(start, _a_year_after(start), zone):
        first, end = sorted((change.before, change.after))
        due = _readings(schedule, first, end)
        if due:
            warnings.append(_forward(schedule, change, due) if change.forward else _back(schedule, change, due))
    return warnings


def _a_year_after(start: datetime) -> datetime:
    """A year later, or two days before the calendar ends: there every zone still has its readings."""
    return start + min(_ONE_YEAR, max(timedelta(0), datetime.max - timedelta(days=2) - start))


def _readings(schedule: Schedule, first: datetime, end: datetime) -> list[datetime]:
    """The readings first <= reading < end at which it is due."""
    readings = []
    reading = schedule.next_wall(first - _INSTANT)
    while reading is not None and reading < end:
        readings.append(reading)
        reading = schedule.next_wall(reading)
    return readings


def _forward(schedule: Schedule, change: ClockChange, due: list[datetime]) -> Warning:
    jump = _jump(change, "forward", "vor")
    times, then = _times(due, change), _reading(change.after, change)
    if schedule.wild:
        skipped, entfaellt = ("are", "entfallen") if len(due) > 1 else ("is", "entfällt")
        return Warning(
            "clocks_forward",
            f"{jump.en}: {times.en} {skipped} left out that day and not made up for, since minute or hour begins"
            " with a star",
            f"{jump.de}: {times.de} {entfaellt} an diesem Tag ohne Ersatz, weil Minute oder Stunde mit"
            " einem Stern beginnt",
        )
    missing = "do" if len(due) > 1 else "does"
    once = _Words(", once", " einmal") if len(due) > 1 else _Words("", "")
    return Warning(
        "clocks_forward",
        f"{jump.en}: {times.en} {missing} not exist that day; it runs at {then.en} instead{once.en}",
        f"{jump.de}: {times.de} gibt es an diesem Tag nicht; es läuft stattdessen{once.de} um {then.de}",
    )


def _back(schedule: Schedule, change: ClockChange, due: list[datetime]) -> Warning:
    jump, times = _jump(change, "back", "zurück"), _times(due, change)
    comes = "comes" if len(due) == 1 else "come"
    if schedule.wild:
        return Warning(
            "clocks_back",
            f"{jump.en}: {times.en} {comes} twice then, and it runs both times, since minute or hour begins"
            " with a star",
            f"{jump.de}: {times.de} gibt es dann zweimal, und es läuft beide Male, weil Minute oder Stunde"
            " mit einem Stern beginnt",
        )
    return Warning(
        "clocks_back",
        f"{jump.en}: {times.en} {comes} twice then; it runs the first time only",
        f"{jump.de}: {times.de} gibt es dann zweimal; es läuft nur beim ersten Mal",
    )


def _jump(change: ClockChange, way: str, richtung: str) -> _Words:
    day = min(change.before, change.after)
    weekday = day.isoweekday() % 7
    start, end = _reading(change.before, change), _reading(change.after, change)
    return _Words(
        f"on {english.WEEKDAYS[weekday]}, {english.day(day)}, the clocks go {way} from {start.en} to {end.en}",
        f"Am {german.WEEKDAYS[weekday]}, dem {german.day(day)}, wird die Uhr von {start.de} auf {end.de}"
        f" {richtung}gestellt",
    )


def _reading(wall: datetime, change: ClockChange) -> _Words:
    """The time of day, with its date where the change crosses midnight."""
    time = f"{wall:%H:%M}"
    if change.before.date() == change.after.date():
        return _Words(time, f"{time} Uhr")
    return _Words(f"{time} on {english.day(wall)}", f"{time} Uhr am {german.day(wall)}")


def _times(due: list[datetime], change: ClockChange) -> _Words:
    if len(due) > _MOST_NAMED:
        first, last = _reading(due[0], change), _reading(due[-1], change)
        return _Words(
            f"{first.en} to {last.en} ({len(due)} times)", f"{first.de} bis {last.de} ({len(due)} Zeitpunkte)"
        )
    if change.before.date() == change.after.date():
        times = [f"{wall:%H:%M}" for wall in due]
        return _Words(english.listed(times), f"{german.listed(times)} Uhr")
    readings = [_reading(wall, change) for wall in due]
    return _Words(english.listed([r.en for r in readings]), german.listed([r.de for r in readings]))
