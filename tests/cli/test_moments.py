"""Moments and durations as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskserver.cli.moments import InvalidMoment, InvalidSpan, read_moment, read_span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)  # 09:00 in Berlin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-22T08:00:00+00:00"),
        ("+10m", "2026-11-22T08:10:00+00:00"),
        ("+1h30m", "2026-11-22T09:30:00+00:00"),
        ("-2d", "2026-11-20T08:00:00+00:00"),
        ("09:30", "2026-11-22T08:30:00+00:00"),
        ("9:30", "2026-11-22T08:30:00+00:00"),
        ("08:30", "2026-11-23T07:30:00+00:00"),
        ("06:00:30", "2026-11-23T05:00:30+00:00"),
        ("2026-12-24", "2026-12-23T23:00:00+00:00"),
        ("2026-12-24 06:00", "2026-12-24T05:00:00+00:00"),
        ("2026-07-01T06:00", "2026-07-01T04:00:00+00:00"),
        ("2026-12-24T06:00+05:00", "2026-12-24T01:00:00+00:00"),
        ("2026-12-24T06:00:00Z", "2026-12-24T06:00:00+00:00"),
    ],
)
def test_a_moment_is_read_in_the_zone(text, expected):
    assert read_moment(text, zone=BERLIN, now=NOW).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "25:00", "+10", "+m", "2026-13-01", "12", "+99999999999d", "0001-01-01"]
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(InvalidMoment):
        read_moment(text, zone=BERLIN, now=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("0.5", 0.5), ("90s", 90), ("1h30m", 5400), ("2d", 172800)]
)
def test_a_span_is_seconds_or_parts(text, seconds):
    assert read_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "soon", "10x"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(InvalidSpan):
        read_span(text)
