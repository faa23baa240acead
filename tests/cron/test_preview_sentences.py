"""The preview: sentences that an office clerk can read, in both languages, and the next times in the zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cron_oracle import specs
from hypothesis import given, settings

from taskserver.cron import InvalidSchedule, preview

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 1, 10, tzinfo=UTC)

SENTENCES = [
    ("* * * * *", "every minute", "jede Minute"),
    ("*/5 * * * *", "every 5 minutes", "alle 5 Minuten"),
    ("*/7 * * * *", "every 7 minutes, counted anew from each full hour",
     "alle 7 Minuten, ab jeder vollen Stunde neu gezählt"),
    ("0 * * * *", "every hour on the hour", "zu jeder vollen Stunde"),
    ("30 * * * *", "every hour at 30 minutes past", "stündlich, jeweils 30 Minuten nach der vollen Stunde"),
    ("0,10 * * * *", "every hour on the hour and at 10 minutes past",
     "stündlich, jeweils zur vollen Stunde und 10 Minuten danach"),
    ("5,20,50 * * * *", "every hour at 5, 20 and 50 minutes past",
     "stündlich, jeweils 5, 20 und 50 Minuten nach der vollen Stunde"),
    ("1 * * * *", "every hour at 1 minute past", "stündlich, jeweils 1 Minute nach der vollen Stunde"),
    ("0-10 * * * *", "every minute from minute 0 to minute 10 of each hour",
     "jede Minute von Minute 0 bis Minute 10 jeder Stunde"),
    ("*/15 8-17 * * *", "every 15 minutes from 08:00 to 17:45 every day",
     "täglich von 08:00 bis 17:45 Uhr alle 15 Minuten"),
    ("*/15 8-17 * * 1-5", "every 15 minutes from 08:00 to 17:45, every weekday (Monday to Friday)",
     "jeden Werktag (Montag bis Freitag) von 08:00 bis 17:45 Uhr alle 15 Minuten"),
    ("0 8-18/2 * * *", "every 2 hours from 08:00 to 18:00 every day",
     "täglich von 08:00 bis 18:00 Uhr alle 2 Stunden"),
    ("30 8-17 * * *", "every hour from 08:30 to 17:30 every day", "täglich von 08:30 bis 17:30 Uhr stündlich"),
    ("*/10 6,7,18 * * *", "every 10 minutes from 06:00 to 07:50 and from 18:00 to 18:50 every day",
     "täglich von 06:00 bis 07:50 Uhr und von 18:00 bis 18:50 Uhr alle 10 Minuten"),
    ("*/10 1,3,5,7 * * *", "every 10 minutes in the hours beginning at 01:00, 03:00, 05:00 and 07:00 every day",
     "täglich alle 10 Minuten in den Stunden ab 1, 3, 5 und 7 Uhr"),
    ("0 * * * 1", "every hour on the hour, every Monday", "jeden Montag zu jeder vollen Stunde"),
    ("6 7 * * *", "every day at 07:06", "täglich um 07:06 Uhr"),
    ("0 6,18 * * *", "every day at 06:00 and 18:00", "täglich um 06:00 und 18:00 Uhr"),
    ("6 7 * * 1-5", "every weekday (Monday to Friday) at 07:06",
     "jeden Werktag (Montag bis Freitag) um 07:06 Uhr"),
    ("0 6 * * 1-6", "every day from Monday to Saturday at 06:00", "montags bis samstags um 06:00 Uhr"),
    ("0 6 * * 0,6", "every Saturday and Sunday at 06:00", "jeden Samstag und Sonntag um 06:00 Uhr"),
    ("0 6 * * mon,wed,fri", "every Monday, Wednesday and Friday at 06:00",
     "jeden Montag, Mittwoch und Freitag um 06:00 Uhr"),
    ("0 6 1 * *", "on the 1st of every month at 06:00", "am Ersten jedes Monats um 06:00 Uhr"),
    ("0 6 15 * *", "on the 15th of every month at 06:00", "am 15. jedes Monats um 06:00 Uhr"),
    ("0 6 1,15 * *", "on the 1st and 15th of every month at 06:00", "am 1. und 15. jedes Monats um 06:00 Uhr"),
    ("0 6 1-5 * *", "daily from the 1st to the 5th of every month at 06:00",
     "täglich vom 1. bis zum 5. jedes Monats um 06:00 Uhr"),
    ("0 6 */2 * *", "every 2 days from the 1st of every month at 06:00",
     "alle 2 Tage ab dem 1. jedes Monats um 06:00 Uhr"),
    ("0 6 L * *", "on the last day of every month at 06:00", "am letzten Tag jedes Monats um 06:00 Uhr"),
    ("0 6 15,L * *", "on the 15th and the last day of every month at 06:00",
     "am 15. und am letzten Tag jedes Monats um 06:00 Uhr"),
    ("0 6 1 1,4,7,10 *", "on the 1st of every quarter (January, April, July and October) at 06:00",
     "am Ersten jedes Quartals (Januar, April, Juli und Oktober) um 06:00 Uhr"),
    ("0 6 1 1,7 *", "every year on 1 January and 1 July at 06:00",
     "jedes Jahr am 1. Januar und am 1. Juli um 06:00 Uhr"),
    ("0 6 1 1,3,5,7,9 *", "on the 1st of January, March, May, July and September at 06:00",
     "am Ersten der Monate Januar, März, Mai, Juli und September um 06:00 Uhr"),
    ("0 6 24,31 12 *", "every year on 24 and 31 December at 06:00",
     "jedes Jahr am 24. und 31. Dezember um 06:00 Uhr"),
    ("0 6 1-3 1 *", "every year from 1 to 3 January at 06:00", "jedes Jahr vom 1. bis zum 3. Januar um 06:00 Uhr"),
    ("0 6 L 2 *", "every year on the last day of February at 06:00",
     "jedes Jahr am letzten Tag im Februar um 06:00 Uhr"),
    ("0 6 * 6-8 *", "every day from June to August at 06:00", "täglich von Juni bis August um 06:00 Uhr"),
    ("0 6 * 6 1", "every Monday in June at 06:00", "jeden Montag im Juni um 06:00 Uhr"),
    ("0 6 * * 5#3", "on the third Friday of every month at 06:00", "am dritten Freitag jedes Monats um 06:00 Uhr"),
    ("0 6 * * L5", "on the last Friday of every month at 06:00", "am letzten Freitag jedes Monats um 06:00 Uhr"),
    ("0 6 * * 1#1,1#3", "on the first and third Monday of every month at 06:00",
     "am ersten und dritten Montag jedes Monats um 06:00 Uhr"),
    ("0 6 1 * 1", "on the 1st of every month and also every Monday at 06:00",
     "am Ersten jedes Monats und außerdem jeden Montag um 06:00 Uhr"),
    ("0 6 13 * */2",
     "on the 13th of every month, but only if that day is a Tuesday, Thursday, Saturday or Sunday, at 06:00",
     "am 13. jedes Monats, aber nur, wenn dieser Tag ein Dienstag, Donnerstag, Samstag oder Sonntag ist,"
     " um 06:00 Uhr"),
    ("0 6 1-31 * 1", "every day at 06:00", "täglich um 06:00 Uhr"),
    ("@weekly", "every Sunday at 00:00", "jeden Sonntag um 00:00 Uhr"),
    ("@yearly", "every year on 1 January at 00:00", "jedes Jahr am 1. Januar um 00:00 Uhr"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "english", "german"), SENTENCES)
def test_an_expression_reads_as_a_sentence_in_both_languages(spec, english, german):
    assert preview(spec, zone=BERLIN, after=NOW, count=1).sentence == {"en": english, "de": german}


@settings(max_examples=300, deadline=None)
@given(spec=specs())
def test_every_expression_has_a_sentence_without_loose_ends(spec):
    for text in preview(str(spec), zone=BERLIN, after=NOW, count=1).sentence.values():
        assert text == " ".join(text.split())
        assert not {"  ", ",,", " ,", "()", "None"} & {text[i : i + n] for n in (2, 4) for i in range(len(text))}
        assert text.strip(", ") == text


def test_the_next_times_are_told_in_the_zone():
    shown = preview("30 2 * * *", zone=BERLIN, after=datetime(2026, 3, 28, tzinfo=UTC), count=3)

    assert [time.isoformat() for time in shown.next] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert (shown.cron_spec, shown.time_zone) == ("30 2 * * *", "Europe/Berlin")


def test_what_never_runs_has_no_next_times():
    assert preview("0 0 30 2 *", zone=BERLIN, after=NOW, count=3).next == []


def test_a_wrong_expression_has_no_preview():
    with pytest.raises(InvalidSchedule):
        preview("0 0 * *", zone=BERLIN, after=NOW, count=3)
