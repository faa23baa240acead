"""Warnings: where a cron expression does something other than its writer most likely thinks.

The preview calls `warnings_of`. Every warning is written in both languages here, as the sentences are: it names
dates and times, and what to write instead where there is something. What the clocks do is in `nights`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from taskserver.cron import english, german
from taskserver.cron.grammar import DAY, HOUR, KINDS, MINUTE, MONTH, WEEKDAY, Field, Part
from taskserver.cron.nights import Warning, clock_warnings
from taskserver.cron.outline import LENGTHS, Days, days_of, values_of
from taskserver.cron.schedule import Schedule

_GERMAN_FIELDS = {MINUTE.name: "Minute", HOUR.name: "Stunde", MONTH.name: "Monat", WEEKDAY.name: "Wochentag"}


def warnings_of(schedule: Schedule, *, zone: ZoneInfo, after: datetime) -> list[Warning]:
    """What may surprise about the schedule; the year after `after` is searched for changing clocks."""
    if schedule.never:
        return [_never(schedule)]
    days = days_of(schedule)
    warnings = [
        *_misplaced(schedule),
        *_both_day_fields(schedule),
        *_short_months(schedule, days),
        *_fifth_weekday(days),
        *_every_minute(schedule),
        *_uneven_steps(schedule),
    ]
    return warnings + clock_warnings(schedule, zone=zone, after=after)


def _never(schedule: Schedule) -> Warning:
    written = " ".join(field.text for field in schedule.fields)
    return Warning(
        "never",
        f"{written!r} never runs: no date matches it",
        f"{written!r} läuft nie: Es gibt kein Datum, auf das der Ausdruck passt",
    )


def _rewritten(schedule: Schedule, **changed: str) -> str:
    names = ("minute", "hour", "day", "month", "weekday")
    return " ".join(changed.get(name, field.text) for name, field in zip(names, schedule.fields, strict=True))


def _misplaced(schedule: Schedule) -> Iterator[Warning]:
    """Weekdays that were written one or two fields too early, or counted as Quartz does."""
    _, _, day, month, weekday = (field.text for field in schedule.fields)
    if day in ("1-5", "1-6") and weekday == "*" and month == "*":
        instead = _rewritten(schedule, day="*", weekday=day)
        until = {"1-5": ("Friday", "Freitag"), "1-6": ("Saturday", "Samstag")}[day]
        yield Warning(
            "workdays_meant",
            f"{day} in the third field means the first {day[2]} days of the month, not Monday to {until[0]};"
            f" for those write {instead!r}",
            f"{day} im dritten Feld meint die ersten {day[2]} Tage des Monats, nicht Montag bis {until[1]};"
            f" dafür schreiben Sie {instead!r}",
        )
    if month in ("1-5", "1-6") and weekday == "*" and day == "*":
        instead = _rewritten(schedule, month="*", weekday=month)
        last = int(month[2])
        yield Warning(
            "workdays_meant",
            f"{month} in the fourth field means January to {english.MONTHS[last]}, not days of the week;"
            f" for Monday to {english.WEEKDAYS[last]} write {instead!r}",
            f"{month} im vierten Feld meint Januar bis {german.MONTHS[last]}, nicht Wochentage;"
            f" für Montag bis {german.WEEKDAYS[last]} schreiben Sie {instead!r}",
        )
    if weekday == "2-6":
        yield Warning(
            "weekday_numbers",
            "days of the week are counted from Sunday as 0, so 2-6 means Tuesday to Saturday;"
            " Monday to Friday is 1-5",
            "Wochentage werden ab Sonntag als 0 gezählt, 2-6 meint also Dienstag bis Samstag;"
            " Montag bis Freitag ist 1-5",
        )


def _both_day_fields(schedule: Schedule) -> Iterator[Warning]:
    """Day of month together with day of week: OR-ed, or AND-ed because of a star, neither of which is obvious."""
    day, weekday = schedule.fields[2], schedule.fields[4]
    if "*" in (day.text, weekday.text):
        return
    hint = _counted_instead(schedule)
    if schedule.days_are_anded:
        third = day.starred
        yield Warning(
            "days_anded",
            f"day of month {day.text!r} and day of week {weekday.text!r} must both match, since the"
            f" {'third' if third else 'fifth'} field begins with a star; without it either would be enough",
            f"Monatstag {day.text!r} und Wochentag {weekday.text!r} müssen beide zutreffen, weil das"
            f" {'dritte' if third else 'fünfte'} Feld mit einem Stern beginnt; ohne ihn würde eines von beiden"
            " genügen",
        )
    elif not (days_of(schedule).by_date and days_of(schedule).by_weekday):
        yield Warning(
            "days_ored",
            f"it runs every day: day of month {day.text!r} or day of week {weekday.text!r} is enough, and one of"
            " them holds every day",
            f"Es läuft an jedem Tag: Monatstag {day.text!r} oder Wochentag {weekday.text!r} genügt, und eines"
            " davon trifft immer zu",
        )
    else:
        yield Warning(
            "days_ored",
            f"it runs on each day that matches day of month {day.text!r} or day of week {weekday.text!r}:"
            f" one of the two is enough, they need not coincide{hint[0]}",
            f"Es läuft an jedem Tag, auf den Monatstag {day.text!r} oder Wochentag {weekday.text!r} zutrifft:"
            f" Eines von beiden genügt, es muss nicht beides zusammenkommen{hint[1]}",
        )


def _counted_instead(schedule: Schedule) -> tuple[str, str]:
    """`1-7` with one weekday is an old way to ask for its first one; how to write that here, in both languages."""
    weeks = {"1-7": 1, "8-14": 2, "15-21": 3, "22-28": 4}
    week = weeks.get(schedule.fields[2].text)
    if week is None or len(schedule.weekdays) != 1:
        return "", ""
    weekday = next(iter(schedule.weekdays))
    instead = _rewritten(schedule, day="*", weekday=f"{weekday}#{week}")
    return (
        f"; for the {english.PLACES[week]} {english.WEEKDAYS[weekday]} of the month write {instead!r}",
        f"; für den {german.PLACES[week]} {german.WEEKDAYS[weekday]} des Monats schreiben Sie {instead!r}",
    )


def _short_months(schedule: Schedule, days: Days) -> Iterator[Warning]:
    """Days that some of the months lack, unless they are the end of a range that began in every month."""
    months = values_of(schedule.months)
    late = [part for part in schedule.fields[2].parts if part.low > 28]
    for day in days.dates:
        if not any(part.low <= day <= part.high for part in late):
            continue
        short = tuple(month for month in months if LENGTHS[month] < day)
        if day == 29 and 2 in months:
            yield Warning(
                "short_months",
                "there is a 29 February in leap years only; in other years it does not run in February",
                "Den 29. Februar gibt es nur in Schaltjahren; in anderen Jahren läuft es im Februar nicht",
            )
        elif short:
            yield _lacking(day, short, last_meant=len(days.dates) == 1 and not days.last)


def _lacking(day: int, short: tuple[int, ...], *, last_meant: bool) -> Warning:
    hint = ("; for the last day of each month write L", "; für den letzten Tag jedes Monats schreiben Sie L")
    names = english.listed([english.MONTHS[month] for month in short], "or")
    namen = german.listed([german.MONTHS[month] for month in short], "und")
    return Warning(
        "short_months",
        f"there is no {english.ordinal(day)} of {names}; it does not run then{hint[0] if last_meant else ''}",
        f"Im {namen} gibt es keinen {day}.; dann läuft es nicht{hint[1] if last_meant else ''}",
    )


def _fifth_weekday(days: Days) -> Iterator[Warning]:
    for weekday, place in days.counted:
        if place == 5:
            yield Warning(
                "fifth_weekday",
                f"most months have no fifth {english.WEEKDAYS[weekday]}; for the last one write L{weekday}",
                f"Die meisten Monate haben keinen fünften {german.WEEKDAYS[weekday]};"
                f" für den letzten schreiben Sie L{weekday}",
            )


def _every_minute(schedule: Schedule) -> Iterator[Warning]:
    hours = values_of(schedule.hours)
    if len(values_of(schedule.minutes)) == 60 and len(hours) < 24:
        instead = _rewritten(schedule, minute="0")
        yield Warning(
            "every_minute",
            f"it runs 60 times an hour, in every minute; for once an hour write {instead!r}",
            f"Es läuft 60-mal in der Stunde, in jeder Minute; für einmal je Stunde schreiben Sie {instead!r}",
        )


def _uneven_steps(schedule: Schedule) -> Iterator[Warning]:
    for kind, field in zip(KINDS, schedule.fields, strict=True):
        for part in field.parts:
            if part.step > 1 and _is_whole(kind_top(field), part):
                yield from _uneven_days(field, part) if kind is DAY else _uneven(field, part)


def kind_top(field: Field) -> int:
    """The highest value of a whole cycle: 6 for weekdays, since 7 is Sunday again."""
    return 6 if field.kind is WEEKDAY else field.kind.high


def _is_whole(top: int, part: Part) -> bool:
    return part.star or part.high >= top


def _uneven(field: Field, part: Part) -> Iterator[Warning]:
    cycle = kind_top(field) - field.kind.low + 1
    values = range(part.low, kind_top(field) + 1, part.step)
    rest = values[0] + cycle - values[-1]
    if rest == part.step or (len(values) == 1 and not part.star):
        return
    unit, einheit = field.kind.name, _GERMAN_FIELDS[field.kind.name]
    if len(values) == 1:
        yield Warning(
            "uneven_step",
            f"{unit} {field.text!r}: the step is wider than the field, so it holds only {values[0]}",
            f"{einheit} {field.text!r}: Die Schrittweite ist größer als das Feld, es bleibt nur {values[0]}",
        )
        return
    yield Warning(
        "uneven_step",
        f"{unit} {field.text!r}: {part.step} does not divide {cycle} evenly; after {values[-1]} comes {values[0]}"
        f" again, a distance of {rest} instead of {part.step}",
        f"{einheit} {field.text!r}: {cycle} ist nicht durch {part.step} teilbar; auf {values[-1]} folgt wieder"
        f" {values[0]}, im Abstand von {rest} statt {part.step}",
    )


def _uneven_days(field: Field, part: Part) -> Iterator[Warning]:
    if part.step < 31:
        yield Warning(
            "uneven_step",
            f"day of month {field.text!r}: counting begins anew each month, so the distance across the end of a"
            f" month is not {part.step} days",
            f"Monatstag {field.text!r}: Jeden Monat wird neu gezählt; über den Monatswechsel beträgt der Abstand"
            f" nicht {part.step} Tage",
        )
