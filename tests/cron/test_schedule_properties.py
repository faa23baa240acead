"""What holds for every schedule, found by trying thousands; and the same answer as asking each minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cron_oracle import Spec, every_minute_asked, nightly_specs, specs, utc
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from taskserver.cron import parse

CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("America/Havana", "2026-11-01"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    ("America/Scoresbysund", "2026-10-25"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Kwajalein", "1969-10-01"),
    ("America/Caracas", "2007-12-09"),
    ("Asia/Kathmandu", "2026-05-01"),
    ("UTC", "2026-03-29"),
]
ZONES = sorted({ZoneInfo(name) for name, _ in CHANGES}, key=str)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(("zone_name", "day"), CHANGES)
@settings(max_examples=25, deadline=None)
@given(spec=nightly_specs())
def test_around_a_change_of_the_clocks_it_answers_as_asking_every_minute_does(zone_name, day, spec):
    zone = ZoneInfo(zone_name)
    start, end = utc(day) - timedelta(days=1), utc(day) + timedelta(days=2)

    found = parse(str(spec)).between(start, end, zone, limit=10_000)

    assert found == every_minute_asked(spec, zone, start, end)


@pytest.mark.parametrize(("zone_name", "day"), CHANGES)
@settings(max_examples=25, deadline=None)
@given(spec=nightly_specs(), seconds=st.integers(0, 2 * 86_400))
def test_it_may_be_asked_from_any_second_of_such_a_night(zone_name, day, spec, seconds):
    zone = ZoneInfo(zone_name)
    start, end = utc(day) - timedelta(days=1), utc(day) + timedelta(days=2)
    after = start + timedelta(seconds=seconds)

    found = parse(str(spec)).next_after(after, zone)

    expected = [instant for instant in every_minute_asked(spec, zone, start, end) if instant > after]
    assert found == expected[0] if expected else found is None or found > end


@settings(max_examples=300, deadline=None)
@given(spec=specs(), zone=st.sampled_from(ZONES), after=instants)
def test_every_time_is_later_and_matches_the_clock_on_the_wall_or_ends_a_gap(spec, zone, after):
    found = parse(str(spec)).next_after(after, zone)

    if found is None:
        assert all(
            not spec.matches(datetime(2000, 1, 1) + timedelta(days=day, hours=h, minutes=m))
            for day in range(366)
            for h in list(spec.values[1])[:1]
            for m in list(spec.values[0])[:1]
        )
        return
    assert found > after
    assert found.tzinfo is UTC
    wall = found.astimezone(zone).replace(tzinfo=None)
    before = (found - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    assert spec.matches(wall) or (not spec.wild and wall - before > timedelta(minutes=1))


@settings(max_examples=150, deadline=None)
@given(spec=specs(), zone=st.sampled_from(ZONES), after=instants, count=st.integers(0, 12))
def test_between_is_next_after_again_and_again_and_strictly_rises(spec, zone, after, count):
    schedule, until = parse(str(spec)), after + timedelta(days=400)

    found = schedule.between(after, until, zone, limit=count)

    asked, instant = [], schedule.next_after(after, zone)
    while instant is not None and instant <= until and len(asked) < count:
        asked.append(instant)
        instant = schedule.next_after(instant, zone)
    assert found == asked
    assert found == sorted(set(found))


def _agrees_with_croniter(spec: Spec) -> bool:
    """croniter OR-s where cron AND-s because of a star, takes `5-5` for the whole cycle and `1,*` for a star."""
    listed = any(",*" in spec.texts[field] for field in (2, 4))
    starred = spec.texts[2].startswith("*") or spec.texts[4].startswith("*")
    equal = any(
        part.partition("/")[0].partition("-")[0::2] == (number := part.partition("/")[0].partition("-")[0], number)
        for text in spec.texts
        for part in text.split(",")
    )
    return not listed and not equal and (not starred or "*" in (spec.texts[2], spec.texts[4]))


@settings(max_examples=150, deadline=None)
@given(spec=specs().filter(_agrees_with_croniter), after=instants)
def test_in_utc_it_finds_what_croniter_finds(spec, after):
    schedule = parse(str(spec))
    if schedule.never:
        return
    theirs = croniter(str(spec), after, ret_type=datetime)

    instant = after
    for _ in range(5):
        instant = schedule.next_after(instant, ZoneInfo("UTC"))
        assert instant == theirs.get_next()
