"""The warnings of a preview: each trap is named, and what is harmless is not warned about."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cron_oracle import specs
from hypothesis import given, settings

from taskserver.cron import Warning, preview

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def warned(spec: str, zone: str = "Europe/Berlin", after: datetime = NOW) -> dict[str, Warning]:
    return {warning.code: warning for warning in preview(spec, zone=ZoneInfo(zone), after=after, count=1).warnings}


@pytest.mark.parametrize(
    ("spec", "code", "english", "german"),
    [
        ("7 6 1-5 * *", "workdays_meant", "write '7 6 * * 1-5'", "schreiben Sie '7 6 * * 1-5'"),
        ("7 6 * 1-5 *", "workdays_meant", "means January to May", "meint Januar bis Mai"),
        ("7 6 * * 2-6", "weekday_numbers", "Tuesday to Saturday", "Dienstag bis Samstag"),
        ("0 6 1 * 1", "days_ored", "one of the two is enough", "Eines von beiden genügt"),
        ("0 6 1-7 * 1", "days_ored", "first Monday of the month write '0 6 * * 1#1'", "ersten Montag des Monats"),
        ("0 6 1-31 * 1", "days_ored", "it runs every day", "Es läuft an jedem Tag"),
        ("0 6 */2 * 1", "days_anded", "must both match, since the third field", "das dritte Feld"),
        ("0 6 13 * */2", "days_anded", "since the fifth field", "das fünfte Feld"),
        ("0 6 31 * *", "short_months", "no 31st of February, April, June, September or November", "keinen 31."),
        ("0 6 31 * *", "short_months", "for the last day of each month write L", "schreiben Sie L"),
        ("0 6 30 * *", "short_months", "no 30th of February", "Im Februar gibt es keinen 30."),
        ("0 6 29 * *", "short_months", "leap years only", "Schaltjahren"),
        ("0 6 31 2,12 *", "short_months", "no 31st of February", "Im Februar gibt es keinen 31."),
        ("0 6 * * 5#5", "fifth_weekday", "for the last one write L5", "schreiben Sie L5"),
        ("0 0 30 2 *", "never", "never runs", "läuft nie"),
        ("* 6 * * *", "every_minute", "60 times an hour", "schreiben Sie '0 6 * * *'"),
        (
            "*/7 * * * *",
            "uneven_step",
            "after 56 comes 0 again, a distance of 4 instead of 7",
            "Abstand von 4 statt 7",
        ),
        ("*/90 * * * *", "uneven_step", "holds only 0", "es bleibt nur 0"),
        ("0 */5 * * *", "uneven_step", "after 20 comes 0", "auf 20 folgt wieder 0"),
        ("0 6 */3 * *", "uneven_step", "across the end of a month", "über den Monatswechsel"),
        ("0 6 1 */5 *", "uneven_step", "after 11 comes 1", "auf 11 folgt wieder 1"),
        ("0 6 * * */2", "uneven_step", "after 6 comes 0", "auf 6 folgt wieder 0"),
    ],
)
def test_a_trap_is_named_in_both_languages(spec, code, english, german):
    warning = warned(spec)[code]

    assert english in warning.en
    assert german in warning.de


@pytest.mark.parametrize(
    "spec",
    ["* * * * *", "*/15 * * * *", "0 * * * *", "7 6 * * 1-5", "0 6 1 * *", "0 6 L * *", "0 6 28-31 * *",
     "0 6 * * 5#3", "0 */6 * * *", "0 8-18/2 * * *", "0 6 1-7 * *", "0 3 * * *", "5-59/15 * * * *", "@daily"],
)  # fmt: skip
def test_what_is_harmless_is_not_warned_about(spec):
    assert warned(spec) == {}


def test_the_nights_of_a_fixed_time_are_named():
    found = warned("30 2 * * *")

    assert found["clocks_forward"].en == (
        "on Sunday, 29 March 2026, the clocks go forward from 02:00 to 03:00: 02:30 does not exist that day;"
        " it runs at 03:00 instead"
    )
    assert found["clocks_forward"].de == (
        "Am Sonntag, dem 29. März 2026, wird die Uhr von 02:00 Uhr auf 03:00 Uhr vorgestellt:"
        " 02:30 Uhr gibt es an diesem Tag nicht; es läuft stattdessen um 03:00 Uhr"
    )
    assert found["clocks_back"].en == (
        "on Sunday, 25 October 2026, the clocks go back from 03:00 to 02:00: 02:30 comes twice then;"
        " it runs the first time only"
    )
    assert found["clocks_back"].de == (
        "Am Sonntag, dem 25. Oktober 2026, wird die Uhr von 03:00 Uhr auf 02:00 Uhr zurückgestellt:"
        " 02:30 Uhr gibt es dann zweimal; es läuft nur beim ersten Mal"
    )


def test_two_times_in_the_gap_are_said_to_run_once():
    assert "02:15 and 02:45 do not exist that day; it runs at 03:00 instead, once" in (
        warned("15,45 2 * * *")["clocks_forward"].en
    )


def test_a_star_in_the_minute_field_is_said_to_be_left_out_and_to_run_twice():
    found = warned("*/5 2 * * *")

    assert "02:00 to 02:55 (12 times) are left out that day" in found["clocks_forward"].en
    assert "it runs both times" in found["clocks_back"].en
    assert "beide Male" in found["clocks_back"].de


def test_only_nights_on_which_it_is_due_are_named():
    assert "clocks_forward" not in warned("30 2 * * 1")
    assert warned("30 2 * * *", zone="UTC") == {}
    assert warned("30 2 28 3 *") == {}


def test_a_change_across_midnight_names_both_dates():
    found = warned("30 23 * * *", zone="America/Scoresbysund")

    assert "from 23:00 on 28 March 2026 to 00:00 on 29 March 2026" in found["clocks_forward"].en
    assert "von 00:00 Uhr am 25. Oktober 2026 auf 23:00 Uhr am 24. Oktober 2026" in found["clocks_back"].de


@settings(max_examples=150, deadline=None)
@given(spec=specs())
def test_any_expression_can_be_previewed_and_every_warning_has_both_languages(spec):
    for warning in preview(str(spec), zone=ZoneInfo("Europe/Berlin"), after=NOW, count=2).warnings:
        assert warning.code
        assert warning.en
        assert warning.de
