"""What is no cron expression, and what the message names: the field, its text, what is allowed, what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.cron import InvalidField, InvalidSchedule, InvalidTimeZone, check_time_zone, parse
from taskserver.errors import EXIT_USAGE


@pytest.mark.parametrize(
    ("spec", "field", "part", "words"),
    [
        ("61 * * * *", "minute", "61", "out of range; allowed are 0-59"),
        ("60 * * * *", "minute", "60", "did you mean '0'?"),
        ("0,61 * * * *", "minute", "61", "out of range"),
        ("0 24 * * *", "hour", "24", "did you mean '0'?"),
        ("0 22-2 * * *", "hour", "22-2", "runs backwards; allowed are 0-23"),
        ("0 22-2 * * *", "hour", "22-2", "did you mean '22-23,0-2'?"),
        ("0 0 0 * *", "day of month", "0", "allowed are 1-31"),
        ("0 0 32 * *", "day of month", "32", "out of range"),
        ("0 0 15W * *", "day of month", "15W", "nearest working day"),
        ("0 0 L-3 * *", "day of month", "L-3", "L stands alone"),
        ("0 0 ? * *", "day of month", "?", "did you mean '*'?"),
        ("0 0 1 13 *", "month", "13", "allowed are 1-12, jan-dec"),
        ("0 0 1 Mai *", "month", "Mai", "did you mean 'may'?"),
        ("0 0 1 january *", "month", "january", "did you mean 'jan'?"),
        ("0 0 * nov-feb *", "month", "nov-feb", "did you mean '11-12,1-2'?"),
        ("0 0 * * 8", "day of week", "8", "0 and 7 are Sunday"),
        ("0 0 * * Mo-Fr", "day of week", "Mo-Fr", "did you mean 'mon-fri'?"),
        ("0 0 * * fri-mon", "day of week", "fri-mon", "did you mean '5-7,1'?"),
        ("0 0 * * sat-sun", "day of week", "sat-sun", "did you mean '6-7'?"),
        ("0 0 * * 5L", "day of week", "5L", "did you mean 'L5'?"),
        ("0 0 * * L", "day of week", "L", "for the last Friday L5"),
        ("0 0 * * 5#6", "day of week", "5#6", "# goes from 1 to 5"),
        ("0 0 * * 1,5#3", "day of week", "1,5#3", "mixes counted weekdays"),
        ("7 6 mon-fri * *", "day of month", "mon-fri", "did you mean '7 6 * * mon-fri'?"),
        ("0 0 * * jan", "day of week", "jan", "did you mean '0 0 * jan *'?"),
        ("H * * * *", "minute", "H", "Jenkins"),
        ("R * * * *", "minute", "R", "drawn by lot"),
        ("0~30 * * * *", "minute", "0~30", "drawn by lot"),
        ("5/15 * * * *", "minute", "5/15", "did you mean '5-59/15'?"),
        ("*/0 * * * *", "minute", "*/0", "step of 0"),
        ("1,,2 * * * *", "minute", "", "empty member"),
        ("-1 * * * *", "minute", "-1", "not understood"),
        ("1.5 * * * *", "minute", "1.5", "not understood"),
        ("٣ * * * *", "minute", "٣", "not understood"),
        ("0 6:30 * * *", "hour", "6:30", "not understood"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_text_and_what_is_allowed(spec, field, part, words):
    with pytest.raises(InvalidField) as caught:
        parse(spec)

    assert (caught.value.field, caught.value.part) == (field, part)
    assert caught.value.exit_code == EXIT_USAGE
    message = caught.value.message()
    assert words in message
    assert field in message
    assert "allowed are" in message
    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "five fields are needed, not 0: minute, hour, day of month, month, day of week"),
        ("0 6 * *", "five fields are needed, not 4"),
        ("0", "five fields are needed, not 1"),
        ("* * * * * *", "seconds and years are not known"),
        ("0 0 12 ? * MON-FRI", "did you mean '0 12 * * mon-fri'?"),
        ("0 0 12 * * ? 2026", "did you mean '0 12 * * *'?"),
        ("@reboot", "@reboot is no time"),
        ("@dayly", "did you mean '@daily'?"),
    ],
)
def test_what_is_no_expression_of_five_fields_is_refused(spec, words):
    with pytest.raises(InvalidSchedule) as caught:
        parse(spec)

    assert words in caught.value.message()
    assert caught.value.field is None


def test_an_overlong_expression_is_not_repeated_in_full():
    with pytest.raises(InvalidSchedule) as caught:
        parse("9" * 5000 + " * * * *")

    assert len(str(caught.value)) < 500


@given(st.text(alphabet="0123456789*/-,#LWHR?@ monfrijanÄ٣~.", max_size=30))
def test_any_text_is_either_a_schedule_or_refused_as_an_operator_error(text):
    try:
        parse(text)
    except InvalidSchedule as refusal:
        assert refusal.message()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("MEZ", "Europe/Berlin"),
    ],
)
def test_an_unknown_time_zone_is_refused_with_the_nearest_there_is(name, near):
    with pytest.raises(InvalidTimeZone) as caught:
        check_time_zone(name)

    assert f"did you mean {near!r}?" in caught.value.message()


@pytest.mark.parametrize("name", ["", "..", "/etc/passwd", "Europe", "a\0b", "x" * 300, "zone.tab"])
def test_what_is_not_even_a_name_is_refused_without_a_traceback(name):
    with pytest.raises(InvalidTimeZone):
        check_time_zone(name)


def test_a_known_time_zone_comes_back():
    assert check_time_zone("Europe/Berlin").key == "Europe/Berlin"
