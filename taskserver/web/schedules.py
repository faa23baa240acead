"""What people see of a schedule: the sentence, the next times, the traps; and a day of many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from taskserver.cron import InvalidSchedule, InvalidTimeZone, check_time_zone, parse
from taskserver.cron import preview as explained
from taskserver.errors import TaskServerError
from taskserver.texts import language, mark, translate
from taskserver.web.moments import local

WEEKDAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))

TIMES = 8
DAY = timedelta(hours=24)
LANES = 60
"""So many entries one picture shows."""

MOST_STARTS = 300
"""An entry that is due more often in a day is drawn as a band."""

LONGEST_GAP = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Preview:
    """Either `fault`, or all of the rest. `times` are written as the clock in the zone shows them."""

    fault: str = ""
    sentence: str = ""
    time_zone: str = ""
    times: tuple[tuple[datetime, str], ...] = ()
    warnings: tuple[str, ...] = ()


def preview(cron_spec: str, time_zone: str, *, after: datetime, count: int = TIMES) -> Preview:
    """What this would mean: for a form that is being filled in, so every fault is a sentence."""
    if not cron_spec.strip():
        return Preview(fault=translate("Write when it is due, such as 30 6 * * 1-5."))
    try:
        zone = check_time_zone(time_zone.strip() or "UTC")
        found = explained(cron_spec.strip(), zone=zone, after=after, count=count)
    except TaskServerError as error:
        return Preview(fault=error.message())
    return Preview(
        sentence=found.sentence[language()],
        time_zone=zone.key,
        times=tuple((moment, readable(moment)) for moment in found.next),
        warnings=tuple(getattr(warning, language()) for warning in found.warnings),
    )


def sentence(cron_spec: str | None) -> str:
    """The expression in words; what plain SQL has left in the table may be none."""
    try:
        return _sentences(cron_spec or "")[language()]
    except InvalidSchedule as error:
        return error.message()


@lru_cache(maxsize=2000)
def _sentences(cron_spec: str) -> dict[str, str]:
    return explained(
        cron_spec, zone=ZoneInfo("UTC"), after=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), count=0
    ).sentence


def readable(moment: datetime) -> str:
    """`Mon 2026-11-23 02:30 CET`, in German `Mo. 23.11.2026 02:30 CET`: in the moment's own zone."""
    day = "%d.%m.%Y" if language() == "de" else "%Y-%m-%d"
    return f"{translate(WEEKDAYS[moment.weekday()])} {moment.strftime(f'{day} %H:%M %Z')}"


@dataclass(frozen=True, slots=True)
class Lane:
    """One entry's day: `marks` are left edge and width in thousandths of it. `band`: it is due all the time."""

    entry: Mapping[str, Any]
    marks: tuple[tuple[float, float], ...]
    starts: tuple[datetime, ...]
    band: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The next 24 hours of the active entries."""

    begin: datetime
    lanes: tuple[Lane, ...]
    hours: tuple[tuple[float, str], ...]
    collisions: tuple[tuple[datetime, tuple[str, ...]], ...]
    """Minutes in which more than one entry is due, with their names; bands are left out."""

    gaps: tuple[tuple[datetime, datetime], ...]
    """Hours in which nothing is due."""

    left_out: int

    def at(self, moment: datetime) -> float:
        return round((moment - self.begin) / DAY * 1000, 2)


def timeline(
    entries: Iterable[Mapping[str, Any]], *, now: datetime, zone: Any, durations: Mapping[str, timedelta]
) -> Timeline:
    """The day from this minute on. `durations`: how long each task usually takes, as wide its marks are drawn."""
    begin = now.replace(second=0, microsecond=0)
    active = [entry for entry in entries if entry["active"] and entry["cron_spec"]]
    lanes = [_lane(entry, begin, durations.get(entry["task"])) for entry in active[:LANES]]
    lanes.sort(key=lambda lane: lane.starts[0] if lane.starts else begin + DAY)
    at: dict[datetime, list[str]] = {}
    for lane in lanes:
        for start in () if lane.band else lane.starts:
            at.setdefault(start, []).append(lane.entry["name"])
    collisions = sorted((moment, tuple(names)) for moment, names in at.items() if len(names) > 1)
    return Timeline(
        begin=begin,
        lanes=tuple(lanes),
        hours=tuple(_hours(begin, zone)),
        collisions=tuple(collisions),
        gaps=tuple(_gaps(begin, lanes)) if lanes else (),
        left_out=max(len(active) - LANES, 0),
    )


def _lane(entry: Mapping[str, Any], begin: datetime, usual: timedelta | None) -> Lane:
    starts = _starts(entry["cron_spec"], entry["time_zone"] or "UTC", begin)
    band = len(starts) >= MOST_STARTS
    if band:
        return Lane(entry, ((0.0, 1000.0),), starts, band=True)
    width = round((usual or timedelta()) / DAY * 1000, 2)
    marks = []
    for start in starts:
        left = round((start - begin) / DAY * 1000, 2)
        marks.append((left, min(max(width, 2.5), 1000 - left)))
    return Lane(entry, tuple(marks), starts, band=False)


@lru_cache(maxsize=1000)
def _starts(cron_spec: str, time_zone: str, begin: datetime) -> tuple[datetime, ...]:
    try:
        schedule, zone = parse(cron_spec), check_time_zone(time_zone)
    except (InvalidSchedule, InvalidTimeZone):
        return ()
    return tuple(schedule.between(begin, begin + DAY, zone, MOST_STARTS))


def _hours(begin: datetime, zone: Any) -> Iterable[tuple[float, str]]:
    """Where the lines of the hours stand, every third with its name."""
    hour = begin.astimezone(zone).replace(minute=0) + timedelta(hours=1)
    for _ in range(24):
        shown = hour.astimezone(zone)
        yield round((hour - begin) / DAY * 1000, 2), f"{shown:%H:%M}" if shown.hour % 3 == 0 else ""
        hour = (hour.astimezone(ZoneInfo("UTC")) + timedelta(hours=1)).astimezone(zone)


def _gaps(begin: datetime, lanes: list[Lane]) -> Iterable[tuple[datetime, datetime]]:
    if any(lane.band for lane in lanes):
        return
    last = begin
    for start in [*sorted({start for lane in lanes for start in lane.starts}), begin + DAY]:
        if start - last >= LONGEST_GAP:
            yield last, start
        last = start


def clock_time(moment: datetime) -> str:
    """`03:00` in the reader's zone."""
    return local(moment, seconds=False).rpartition(" ")[2]
