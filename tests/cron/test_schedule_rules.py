"""The rules of cron(8), each by an example that can be looked up in a calendar."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskserver.cron import parse

BERLIN = ZoneInfo("Europe/Berlin")


def readings(spec: str, zone: str, start: str, count: int) -> list[str]:
    """The next times after a local start, as local texts with their offset from UTC."""
    place = ZoneInfo(zone)
    after = datetime.fromisoformat(start).replace(tzinfo=place)
    found = []
    for _ in range(count):
        instant = parse(spec).next_after(after, place)
        assert instant is not None
        found.append(f"{instant.astimezone(place):%m-%d %H:%M %z}")
        after = instant
    return found


def test_a_fixed_time_that_is_skipped_runs_right_after_the_gap():
    found = readings("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)

    assert found == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_fixed_time_that_comes_twice_runs_the_first_time():
    found = readings("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)

    assert found == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_two_skipped_times_run_once():
    found = readings("15,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)

    assert found == ["03-29 03:00 +0200", "03-30 02:15 +0200"]


def test_a_skipped_time_and_the_end_of_the_gap_run_once():
    found = readings("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)

    assert found == ["03-29 03:00 +0200", "03-30 02:00 +0200"]


@pytest.mark.parametrize("spec", ["*/30 * * * *", "0,30 * * * *"])
def test_a_half_hourly_schedule_keeps_its_distance_through_both_nights(spec):
    schedule = parse(spec)

    for day in ("2026-03-29", "2026-10-25"):
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        due = schedule.between(start, start + timedelta(hours=4), BERLIN, limit=100)
        assert due == [start + timedelta(minutes=30 * n) for n in range(1, 9)]


def test_a_star_in_the_minute_field_runs_in_both_repeated_hours_and_not_in_the_gap():
    autumn = readings("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 5)
    spring = readings("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 1)

    assert autumn == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0200",
        "10-25 02:00 +0100",
        "10-25 02:30 +0100",
        "10-26 02:00 +0100",
    ]
    assert spring == ["03-30 02:00 +0200"]


def test_a_shift_of_half_an_hour():
    spring = readings("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", 2)
    autumn = readings("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", 2)

    assert spring == ["10-04 02:30 +1100", "10-05 02:15 +1100"]
    assert autumn == ["04-05 01:45 +1100", "04-06 01:45 +1030"]


def test_new_york_and_casablanca():
    assert readings("30 2 * * *", "America/New_York", "2026-03-07T12:00", 1) == ["03-08 03:00 -0400"]
    assert readings("30 1 * * *", "America/New_York", "2026-10-31T12:00", 2) == [
        "11-01 01:30 -0400",
        "11-02 01:30 -0500",
    ]
    assert readings("30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00", 2) == [
        "02-15 02:30 +0100",
        "02-16 02:30 +0000",
    ]
    assert readings("30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00", 2) == [
        "03-22 03:00 +0100",
        "03-23 02:30 +0100",
    ]


def test_a_day_that_a_zone_skipped_runs_once_right_after_it():
    fixed = readings("0 6,18 * * *", "Pacific/Apia", "2011-12-29T12:00", 3)
    wild = readings("0 */12 * * *", "Pacific/Apia", "2011-12-29T12:00", 2)

    assert fixed == ["12-29 18:00 -1000", "12-31 00:00 +1400", "12-31 06:00 +1400"]
    assert wild == ["12-31 00:00 +1400", "12-31 12:00 +1400"]


def test_a_gap_at_midnight_does_not_lose_the_day():
    assert readings("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", 2) == [
        "04-24 01:00 +0300",
        "04-25 00:00 +0300",
    ]


def test_days_are_ored_unless_a_field_begins_with_a_star():
    ored = readings("0 6 13 * 5", "UTC", "2026-11-01T00:00", 4)
    anded = readings("0 6 */13 * 5", "UTC", "2026-11-01T00:00", 2)

    assert [text[:5] for text in ored] == ["11-06", "11-13", "11-20", "11-27"]
    assert [text[:5] for text in anded] == ["11-27", "01-01"]


@pytest.mark.parametrize(
    ("spec", "days"),
    [
        ("0 0 L * *", ["01-31", "02-28", "03-31"]),
        ("0 0 15,L * *", ["01-15", "01-31", "02-15"]),
        ("0 0 * * 5#3", ["01-16", "02-20", "03-20"]),
        ("0 0 * * L5", ["01-30", "02-27", "03-27"]),
        ("0 0 * * sat#1,sun#1", ["01-03", "01-04", "02-01"]),
        ("0 0 * * 7", ["01-04", "01-11", "01-18"]),
        ("0 0 * * 5-7", ["01-02", "01-03", "01-04"]),
        ("0 0 * * 1-7/2", ["01-02", "01-04", "01-05"]),
        ("0 0 * * 3-3", ["01-07", "01-14", "01-21"]),
        ("0 0 31-31 * *", ["01-31", "03-31", "05-31"]),
        ("0 0 * Feb-MAR,dec mon", ["02-02", "02-09", "02-16"]),
        ("@Weekly", ["01-04", "01-11", "01-18"]),
        ("@monthly", ["02-01", "03-01", "04-01"]),
    ],
)
def test_the_days_it_is_due(spec, days):
    found = readings(spec, "UTC", "2026-01-01T12:00", 3)

    assert [text[:5] for text in found] == days


def test_it_finds_the_29th_of_february_across_a_century_without_one():
    schedule, zone = parse("0 0 29 2 *"), ZoneInfo("UTC")

    assert schedule.next_after(datetime(2096, 3, 1, tzinfo=UTC), zone) == datetime(2104, 2, 29, tzinfo=UTC)
    assert parse("0 0 29 2 */7").next_after(datetime(2096, 3, 1, tzinfo=UTC), zone) == datetime(
        2128, 2, 29, tzinfo=UTC
    )


@pytest.mark.parametrize("spec", ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 */31 * 5#3"])
def test_what_can_never_be_due_says_none(spec):
    assert parse(spec).next_after(datetime(2026, 1, 1, tzinfo=UTC), BERLIN) is None
    assert parse(spec).never


def test_the_end_of_the_calendar_is_no_error():
    assert parse("* * * * *").next_after(datetime.max.replace(tzinfo=UTC), ZoneInfo("UTC")) is None


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        parse("* * * * *").next_after(datetime(2026, 1, 1), BERLIN)


def test_a_schedule_is_immutable_and_read_once():
    schedule = parse("0 6 * * *")

    with pytest.raises(FrozenInstanceError):
        schedule.minutes = 1  # type: ignore[misc]
    assert parse("0 6 * * *") is schedule


def test_importing_the_package_does_not_import_croniter():
    code = "import sys, taskserver.cron; sys.exit('croniter' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
