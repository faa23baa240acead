"""Sentences about schedules in German: "jeden Werktag (Montag bis Freitag) um 07:06 Uhr".

The preview calls `sentence`; the warnings borrow the words for dates and weekdays. It decides nothing: what is to
be said comes from the outline. "Werktag" alone would take in Saturday for lawyers, hence the brackets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from taskserver.cron.outline import Clock, Days, Times, days_of, in_a_row, stride, times_of
from taskserver.cron.schedule import LAST, Schedule

WEEKDAYS = ("Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag")
MONTHS = (
    "", "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
PLACES: dict[int | str, str] = {
    1: "ersten", 2: "zweiten", 3: "dritten", 4: "vierten", 5: "fünften", LAST: "letzten",
}  # fmt: skip


def sentence(schedule: Schedule) -> str:
    """When the schedule is due; lower case, no full stop."""
    times, days = times_of(schedule), days_of(schedule)
    day_words = _days(days)
    comma = "," if ", aber nur" in day_words else ""
    if times.clock:
        return f"{day_words or 'täglich'}{comma} um {listed([clock(time) for time in times.clock])} Uhr"
    if times.windows:
        return f"{day_words or 'täglich'}{comma} {_windows(times)} {_pace(times)}"
    if times.in_hours:
        hours = listed([str(hour) for hour in times.in_hours])
        pace = f"{_pace(times)}{',' if ',' in _pace(times) else ''} in den Stunden ab {hours} Uhr"
        return f"{day_words or 'täglich'}{comma} {pace}"
    return f"{day_words}{comma} {_pace(times)}".strip()


def listed(words: Sequence[str], word: str = "und") -> str:
    """`a, b und c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {word} {words[-1]}"


def clock(time: Clock) -> str:
    """`06:07`."""
    return f"{time[0]:02}:{time[1]:02}"


def day(value: date) -> str:
    """`29. März 2026`."""
    return f"{value.day}. {MONTHS[value.month]} {value.year}"


def _windows(times: Times) -> str:
    return listed([f"von {clock(start)} bis {clock(end)} Uhr" for start, end in times.windows])


def _pace(times: Times) -> str:
    if times.hours:
        return "stündlich" if times.hours == 1 else f"alle {times.hours} Stunden"
    if times.minutes:
        return "jede Minute" if times.minutes == 1 else f"alle {times.minutes} Minuten"
    if times.counted:
        return f"alle {times.counted} Minuten, ab jeder vollen Stunde neu gezählt"
    if times.span:
        return f"jede Minute von Minute {times.span[0]} bis Minute {times.span[1]} jeder Stunde"
    if times.past == (0,):
        return "zu jeder vollen Stunde"
    return f"stündlich, jeweils {_past(times.past)}"


def _past(minutes: tuple[int, ...]) -> str:
    if minutes == (1,):
        return "1 Minute nach der vollen Stunde"
    if minutes == (0, 1):
        return "zur vollen Stunde und 1 Minute danach"
    if minutes[0] == 0:
        return f"zur vollen Stunde und {listed([str(minute) for minute in minutes[1:]])} Minuten danach"
    return f"{listed([str(minute) for minute in minutes])} Minuten nach der vollen Stunde"


def _days(days: Days) -> str:
    dates, weekdays = _dates(days), _weekdays(days)
    if not dates and not weekdays:
        return f"täglich{_in_months(days.months)}" if days.months else ""
    if dates and weekdays:
        return (
            f"{dates} und außerdem {weekdays}"
            if days.either
            else f"{dates}, aber nur, wenn dieser Tag {_is(days)} ist"
        )
    return dates or weekdays


def _dates(days: Days) -> str:
    if not days.by_date:
        return ""
    step = stride(days.dates)
    if len(days.months) == 1:
        return f"jedes Jahr {_dates_of_year(days, step)}"
    if days.dates == (1,) and not days.last and days.months == (1, 4, 7, 10):
        return "am Ersten jedes Quartals (Januar, April, Juli und Oktober)"
    if len(days.dates) == 1 and not days.last and 1 < len(days.months) <= 4:
        return f"jedes Jahr {listed([f'am {days.dates[0]}. {MONTHS[month]}' for month in days.months])}"
    return f"{_dates_of_month(days, step)} {_of_months(days.months)}"


def _dates_of_year(days: Days, step: int) -> str:
    month = MONTHS[days.months[0]]
    if days.last or step > 1:
        return f"{_dates_of_month(days, step)} im {month}"
    if in_a_row(days.dates):
        return f"vom {days.dates[0]}. bis zum {days.dates[-1]}. {month}"
    return f"am {listed([f'{date}.' for date in days.dates])} {month}"


def _dates_of_month(days: Days, step: int) -> str:
    if days.last and not days.dates:
        return "am letzten Tag"
    if days.dates == (1,):
        return "am Ersten und am letzten Tag" if days.last else "am Ersten"
    if step == 1:
        words = f"täglich vom {days.dates[0]}. bis zum {days.dates[-1]}."
    elif step and len(days.dates) > 3:
        ends = days.dates[-1] + step <= 31
        first, last = f"{days.dates[0]}.", f"{days.dates[-1]}."
        words = f"alle {step} Tage vom {first} bis zum {last}" if ends else f"alle {step} Tage ab dem {first}"
    else:
        words = f"am {listed([f'{date}.' for date in days.dates])}"
    if days.last and words.startswith("am "):
        return f"{words.replace(' und ', ', ')} und am letzten Tag"
    return f"{words} und am letzten Tag" if days.last else words


def _weekdays(days: Days) -> str:
    if days.counted:
        each_year = "jedes Jahr " if len(days.months) == 1 else ""
        return f"{each_year}{listed([f'am {place}' for place in _places(days, 'en')])} {_of_months(days.months)}"
    if not days.weekdays:
        return ""
    return f"{_each(days.weekdays)}{_in_months(days.months)}"


def _each(weekdays: tuple[int, ...]) -> str:
    if weekdays == (1, 2, 3, 4, 5):
        return "jeden Werktag (Montag bis Freitag)"
    if in_a_row([day or 7 for day in weekdays]):
        return f"{WEEKDAYS[weekdays[0]].lower()}s bis {WEEKDAYS[weekdays[-1]].lower()}s"
    return f"jeden {listed([WEEKDAYS[day] for day in weekdays])}"


def _places(days: Days, ending: str) -> list[str]:
    """`dritten Freitag`, or `dritte Freitag` with the ending of the nominative."""
    by_day: dict[int, list[str]] = {}
    for weekday, place in sorted(days.counted, key=lambda item: ((item[0] + 6) % 7, str(item[1]))):
        by_day.setdefault(weekday, []).append(f"{PLACES[place].removesuffix('en')}{ending}")
    return [f"{listed(places)} {WEEKDAYS[weekday]}" for weekday, places in by_day.items()]


def _is(days: Days) -> str:
    if days.counted:
        return f"{listed([f'der {place}' for place in _places(days, 'e')], 'oder')} des Monats"
    return f"ein {listed([WEEKDAYS[day] for day in days.weekdays], 'oder')}"


def _of_months(months: tuple[int, ...]) -> str:
    if not months:
        return "jedes Monats"
    if len(months) == 1:
        return f"im {MONTHS[months[0]]}"
    if in_a_row(months):
        return f"jedes Monats von {MONTHS[months[0]]} bis {MONTHS[months[-1]]}"
    return f"der Monate {listed([MONTHS[month] for month in months])}"


def _in_months(months: tuple[int, ...]) -> str:
    if not months:
        return ""
    if in_a_row(months):
        return f" von {MONTHS[months[0]]} bis {MONTHS[months[-1]]}"
    return f" im {listed([MONTHS[month] for month in months])}"
