"""How often a schedule was due in a long stretch of time, without walking through each instant.

Called for what an entry has missed: years of a schedule that is due every minute are some hundred thousand
instants. Between two changes of the clocks every day has the same readings, so whole days are counted by the
schedule's masks, and only days near a change one instant after the other.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from taskserver.cron.schedule import Schedule
from taskserver.cron.zones import wall_of

_DAY = timedelta(days=1)
_EVERY = 100_000  # more than a day has minutes


def count_between(schedule: Schedule, after: datetime, until: datetime, zone: ZoneInfo) -> int:
    """How many due instants there are with after < instant <= until: as many as `Schedule.between` has."""
    count, here = 0, after.astimezone(UTC)
    before, now = _offset(here - _DAY, zone), _offset(here, zone)
    while here + _DAY <= until:
        following = _offset(here + _DAY, zone)
        # Readings that come twice may reach into the day behind a change: that one is not like others yet.
        if before == now == following:
            count += _readings(schedule, here.replace(tzinfo=None) + now)
        else:
            count += len(schedule.between(here, here + _DAY, zone, _EVERY))
        here, before, now = here + _DAY, now, following
    return count + len(schedule.between(here, until, zone, _EVERY))


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    moment = instant.replace(tzinfo=None)
    return wall_of(moment, zone) - moment


def _readings(schedule: Schedule, wall: datetime) -> int:
    """The matching readings in the 24 hours behind `wall`: later that day, and up to the same time of the next."""
    hours, minutes = schedule.hours, schedule.minutes
    upto = (hours & (1 << wall.hour) - 1).bit_count() * minutes.bit_count()
    if hours >> wall.hour & 1:
        upto += (minutes & (2 << wall.minute) - 1).bit_count()
    later = hours.bit_count() * minutes.bit_count() - upto
    today, tomorrow = wall.date(), wall.date() + _DAY
    return later * schedule.is_due_on(today) + upto * schedule.is_due_on(tomorrow)
