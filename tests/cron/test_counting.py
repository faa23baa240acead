"""Counting gives what listing gives, in every zone and from every second, and is quick over years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cron_oracle import nightly_specs, specs, utc
from hypothesis import given, settings
from hypothesis import strategies as st
from test_schedule_properties import CHANGES, ZONES

from taskserver.cron import count_between, parse


@pytest.mark.parametrize(("zone_name", "day"), CHANGES)
@settings(max_examples=40, deadline=None)
@given(spec=st.one_of(nightly_specs(), specs()), seconds=st.integers(0, 5 * 86_400), days=st.integers(0, 12))
def test_around_a_change_of_the_clocks(zone_name, day, spec, seconds, days):
    zone, schedule = ZoneInfo(zone_name), parse(str(spec))
    after = utc(day) - timedelta(days=5) + timedelta(seconds=seconds)
    until = after + timedelta(days=days, seconds=seconds % 86_400)

    assert count_between(schedule, after, until, zone) == len(schedule.between(after, until, zone, 100_000))


@settings(max_examples=200, deadline=None)
@given(
    spec=specs(),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    hours=st.integers(-10, 60 * 24),
)
def test_over_weeks_anywhere(spec, zone, after, hours):
    schedule, until = parse(str(spec)), after + timedelta(hours=hours)

    assert count_between(schedule, after, until, zone) == len(schedule.between(after, until, zone, 100_000))


def test_a_year_of_every_minute_in_a_zone_whose_clocks_change():
    after = datetime(2026, 1, 1, tzinfo=UTC)

    assert (
        count_between(parse("* * * * *"), after, after + timedelta(days=365), ZoneInfo("Europe/Berlin")) == 525_600
    )
