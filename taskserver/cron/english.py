"""Sentences about schedules in English: "every weekday (Monday to Friday) at 07:06".

The preview calls `sentence`; the warnings borrow the words for dates and weekdays. It decides nothing: what is to
be said comes from the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from taskserver.cron.outline import Clock, Days, Times, days_of, in_a_row, stride, times_of
from taskserver.cron.schedule import LAST, Schedule

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "", "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
PLACES: dict[int | str, str] = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST: "last"}


def sentence(schedule: Schedule) -> str:
    """When the schedule is due; lower case, no full stop."""
    times, days = times_of(schedule), days_of(schedule)
    day_words = _days(days)
    if times.clock:
        comma = "," if day_words.count(",") and " if " in day_words else ""
        return f"{day_words or 'every day'}{comma} at {listed([clock(time) for time in times.clock])}"
    pace = _pace(times)
    if day_words:
        return f"{pace}, {day_words}"
    return f"{pace} every day" if times.windows or times.in_hours else pace


def listed(words: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {word} {words[-1]}"


def clock(time: Clock) -> str:
    """`06:07`."""
    return f"{time[0]:02}:{time[1]:02}"


def ordinal(number: int) -> str:
    """`1st`."""
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def day(value: date) -> str:
    """`29 March 2026`."""
    return f"{value.day} {MONTHS[value.month]} {value.year}"


def _pace(times: Times) -> str:
    if times.hours:
        pace = "every hour" if times.hours == 1 else f"every {times.hours} hours"
    elif times.minutes:
        pace = "every minute" if times.minutes == 1 else f"every {times.minutes} minutes"
    elif times.counted:
        pace = f"every {times.counted} minutes, counted anew from each full hour"
    elif times.span:
        pace = f"every minute from minute {times.span[0]} to minute {times.span[1]} of each hour"
    elif times.past == (0,):
        pace = "every hour on the hour"
    else:
        pace = f"every hour {_past(times.past)}"
    if times.windows:
        comma = "," if "," in pace else ""
        return f"{pace}{comma} {listed([f'from {clock(start)} to {clock(end)}' for start, end in times.windows])}"
    if times.in_hours:
        return f"{pace} in the hours beginning at {listed([clock((hour, 0)) for hour in times.in_hours])}"
    return pace


def _past(minutes: tuple[int, ...]) -> str:
    if minutes == (1,):
        return "at 1 minute past"
    if minutes[0] == 0:
        return f"on the hour and at {listed([str(minute) for minute in minutes[1:]])} minutes past"
    return f"at {listed([str(minute) for minute in minutes])} minutes past"


def _days(days: Days) -> str:
    dates, weekdays = _dates(days), _weekdays(days)
    if not dates and not weekdays:
        return f"every day{_in_months(days.months)}" if days.months else ""
    if dates and weekdays:
        return f"{dates} and also {weekdays}" if days.either else f"{dates}, but only if that day is {_is(days)}"
    return dates or weekdays


def _dates(days: Days) -> str:
    if not days.by_date:
        return ""
    step = stride(days.dates)
    if len(days.months) == 1:
        return f"every year {_dates_of_year(days, step)}"
    if days.dates == (1,) and not days.last and days.months == (1, 4, 7, 10):
        return "on the 1st of every quarter (January, April, July and October)"
    if len(days.dates) == 1 and not days.last and 1 < len(days.months) <= 4:
        return f"every year on {listed([f'{days.dates[0]} {MONTHS[month]}' for month in days.months])}"
    return f"{_dates_of_month(days, step)} {_of_months(days.months)}"


def _dates_of_year(days: Days, step: int) -> str:
    month = MONTHS[days.months[0]]
    if days.last or step > 1:
        return f"{_dates_of_month(days, step)} of {month}"
    if in_a_row(days.dates):
        return f"from {days.dates[0]} to {days.dates[-1]} {month}"
    return f"on {listed([str(date) for date in days.dates])} {month}"


def _dates_of_month(days: Days, step: int) -> str:
    first, last = (ordinal(days.dates[0]), ordinal(days.dates[-1])) if days.dates else ("", "")
    if days.last and not days.dates:
        return "on the last day"
    if step == 1:
        words = f"daily from the {first} to the {last}"
    elif step and len(days.dates) > 3:
        words = f"every {step} days from the {first}"
        words += f" to the {last}" if days.dates[-1] + step <= 31 else ""
    else:
        words = f"on the {listed([ordinal(date) for date in days.dates])}"
    if days.last and words.startswith("on the "):
        return f"on the {listed([*(ordinal(date) for date in days.dates), 'the last day'])}"
    return f"{words} and on the last day" if days.last else words


def _weekdays(days: Days) -> str:
    if days.counted:
        each_year = "every year " if len(days.months) == 1 else ""
        return f"{each_year}{listed([f'on the {place}' for place in _places(days)])} {_of_months(days.months)}"
    if not days.weekdays:
        return ""
    return f"{_each(days.weekdays)}{_in_months(days.months)}"


def _each(weekdays: tuple[int, ...]) -> str:
    if weekdays == (1, 2, 3, 4, 5):
        return "every weekday (Monday to Friday)"
    if in_a_row([day or 7 for day in weekdays]):
        return f"every day from {WEEKDAYS[weekdays[0]]} to {WEEKDAYS[weekdays[-1]]}"
    return f"every {listed([WEEKDAYS[day] for day in weekdays])}"


def _places(days: Days) -> list[str]:
    by_day: dict[int, list[str]] = {}
    for weekday, place in days.counted:
        by_day.setdefault(weekday, []).append(PLACES[place])
    return [f"{listed(places)} {WEEKDAYS[weekday]}" for weekday, places in _monday_first(by_day)]


def _monday_first(by_day: dict[int, list[str]]) -> list[tuple[int, list[str]]]:
    return sorted(by_day.items(), key=lambda item: (item[0] + 6) % 7)


def _is(days: Days) -> str:
    if days.counted:
        return f"the {listed(_places(days), 'or the')} of the month"
    return f"a {listed([WEEKDAYS[day] for day in days.weekdays], 'or')}"


def _of_months(months: tuple[int, ...]) -> str:
    if not months:
        return "of every month"
    if in_a_row(months):
        return f"of every month from {MONTHS[months[0]]} to {MONTHS[months[-1]]}"
    return f"of {listed([MONTHS[month] for month in months])}"


def _in_months(months: tuple[int, ...]) -> str:
    if not months:
        return ""
    if in_a_row(months):
        return f" from {MONTHS[months[0]]} to {MONTHS[months[-1]]}"
    return f" in {listed([MONTHS[month] for month in months])}"
