"""Cron expressions as data, and an oracle that looks at every single minute.

The oracle shares nothing with the package: it walks real time minute by minute and watches the clock on the wall.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


class Spec(NamedTuple):
    """An expression with the values that each of its fields means."""

    texts: tuple[str, ...]
    values: tuple[frozenset[int], ...]

    def __str__(self) -> str:
        return " ".join(self.texts)

    @property
    def wild(self) -> bool:
        return self.texts[0].startswith("*") or self.texts[1].startswith("*")

    def matches(self, wall: datetime) -> bool:
        minutes, hours, days, months, weekdays = self.values
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        by_date, by_weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        if self.texts[2].startswith("*") or self.texts[4].startswith("*"):
            return by_date and by_weekday
        return by_date or by_weekday


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, frozenset[int]]:
    shape = draw(st.sampled_from(["star", "star", "step", "value", "range", "stepped", "list"]))
    if shape == "star":
        return "*", frozenset(range(low, high + 1))
    if shape == "step":
        step = draw(st.integers(1, high + 3))
        return f"*/{step}", frozenset(range(low, high + 1, step))
    if shape == "list":
        parts = draw(st.lists(fields(low, high), min_size=2, max_size=3))
        return ",".join(text for text, _ in parts), frozenset().union(*(values for _, values in parts))
    first = draw(st.integers(low, high))
    if shape == "value":
        return str(first), frozenset({first})
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, 9)) if shape == "stepped" else 1
    text = f"{first}-{last}" if shape == "range" else f"{first}-{last}/{step}"
    return text, frozenset(range(first, last + 1, step))


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    parts = [draw(fields(low, high)) for low, high in RANGES]
    return Spec(tuple(text for text, _ in parts), tuple(values for _, values in parts))


@st.composite
def nightly_specs(draw: st.DrawFn) -> Spec:
    """Expressions that are due in many nights, so that a change of the clocks meets them."""
    small_hours = fields(0, 4) | st.sampled_from([(str(hour), frozenset({hour})) for hour in (0, 1, 2, 3, 22, 23)])
    parts = [
        draw(fields(0, 59)),
        draw(small_hours.filter(lambda field: "*" not in field[0]) | fields(0, 23)),
        draw(st.just(("*", frozenset(range(1, 32)))) | fields(1, 31)),
        ("*", frozenset(range(1, 13))),
        draw(st.just(("*", frozenset(range(7)))) | fields(0, 6)),
    ]
    return Spec(tuple(text for text, _ in parts), tuple(values for _, values in parts))


@lru_cache(maxsize=64)
def walls(zone: ZoneInfo, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """(instant, wall) for every minute of start <= instant <= end."""
    found, instant = [], start
    while instant <= end:
        found.append((instant, instant.astimezone(zone).replace(tzinfo=None, fold=0)))
        instant += MINUTE
    return found


def every_minute_asked(spec: Spec, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """The due instants with start < instant <= end, found by asking each minute."""
    due = []
    minutes = walls(zone, start, end)
    latest = minutes[0][1]
    for (_, before), (instant, wall) in itertools.pairwise(minutes):
        if spec.wild:
            if spec.matches(wall):
                due.append(instant)
        elif wall > latest:
            skipped = (
                [before + MINUTE * n for n in range(1, (wall - before) // MINUTE)]
                if wall - before > MINUTE
                else []
            )
            if any(spec.matches(reading) for reading in [*skipped, wall]):
                due.append(instant)
        latest = max(latest, wall)
    return due


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
