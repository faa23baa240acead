"""The preview of a cron entry: its expression in a sentence, its next times, and what may surprise.

`schedule preview` and `schedule add` of the control program call it before anything is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from taskserver.cron import english, german
from taskserver.cron.nights import Warning
from taskserver.cron.schedule import parse
from taskserver.cron.traps import warnings_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What an expression means in a zone; `sentence` by language, `next` aware in that zone."""

    cron_spec: str
    time_zone: str
    sentence: dict[str, str]
    next: list[datetime]
    never: bool
    """Whether no date there is matches; `next` may be empty for other reasons, too."""
    warnings: list[Warning]


def preview(spec: str, *, zone: ZoneInfo, after: datetime, count: int) -> Preview:
    """The expression explained, with the first `count` times after `after` (aware). Raises InvalidSchedule."""
    schedule = parse(spec)
    times: list[datetime] = []
    instant = schedule.next_after(after, zone)
    while instant is not None and len(times) < count:
        try:
            times.append(instant.astimezone(zone))
        except OverflowError:  # the zone's clock is in the year 10000 already
            break
        instant = schedule.next_after(instant, zone)
    return Preview(
        cron_spec=spec,
        time_zone=zone.key,
        sentence={"en": english.sentence(schedule), "de": german.sentence(schedule)},
        next=times,
        never=schedule.never,
        warnings=warnings_of(schedule, zone=zone, after=after),
    )
