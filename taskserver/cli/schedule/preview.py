"""`schedule preview`: what a cron expression means, before anything depends on it.

Needs neither a database nor a configuration. `schedule add` and `schedule edit` tell the same from here.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from taskserver.cli.command import command, option
from taskserver.cli.output import note, print_json, say
from taskserver.cli.parameters import WholeNumber
from taskserver.cli.session import Session, pass_session
from taskserver.clock import system_clock
from taskserver.errors import TaskServerError
from taskserver.texts import language, mark, translate

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from taskserver.cron import Preview


@command(
    examples=[
        'task_server schedule preview "30 2 * * *"',
        'task_server schedule preview "0 6 1 * *" --time-zone Europe/Berlin -n 12',
        'task_server schedule preview "*/5 8-18 * * 1-5" --after 2026-12-24 --json',
    ]
)
@click.argument("expression", metavar="EXPR", nargs=-1, required=True)
@option("--time-zone", metavar="ZONE", help=mark("As Europe/Berlin. Default: that of the configuration."))
@option("--after", metavar="TIME", help=mark("The times after this one. Default: now."))
@option(
    "-n",
    "count",
    metavar="N",
    type=WholeNumber(min=0, max=10_000),
    default=5,
    show_default=True,
    help=mark("How many times."),
)
@pass_session
def preview(
    session: Session, /, *, expression: tuple[str, ...], time_zone: str | None, after: str | None, count: int
) -> None:
    """Explains a cron expression, prints the next times and warns of traps.

    EXPR has five fields, best in quotes, or is @daily or the like.
    """
    from taskserver import cron
    from taskserver.cli.moments import read_moment

    zone = cron.check_time_zone(time_zone or _default_time_zone(session))
    start = system_clock() if after is None else read_moment(after, zone=zone, now=system_clock())
    found = cron.preview(" ".join(expression), zone=zone, after=start, count=count)
    if session.json:
        print_json(as_document(found))
        return
    say(found.sentence[language()])
    for moment in found.next:
        say(f"  {readable(moment)}")
    if found.never:
        say(translate("It never runs."))
    elif count and not found.next:
        say(translate("It does not run any more after that, as far as the calendar goes (year 9999)."))
    for warning in found.warnings:
        note(translate("warning: {text}", text=getattr(warning, language())))


def as_document(found: Preview) -> dict[str, object]:
    """The contract's JSON: times with the zone's offset, warnings in both languages."""
    return {
        "cron_spec": found.cron_spec,
        "time_zone": found.time_zone,
        "sentence": found.sentence,
        "next": [moment.isoformat() for moment in found.next],
        "warnings": [{"code": warning.code, "en": warning.en, "de": warning.de} for warning in found.warnings],
    }


def readable(moment: datetime) -> str:
    """`Mon 2026-11-23 02:30:00 CET`: the time as the clock in its zone shows it."""
    return f"{weekday(moment)} {moment:%Y-%m-%d %H:%M:%S %Z}"


def weekday(moment: datetime) -> str:
    names = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))
    return translate(names[moment.weekday()])


def tell_next(cron_spec: str, zone: ZoneInfo, *, active: bool) -> None:
    """The expression as a sentence and the next due time, for people."""
    from taskserver.cron import preview as explain

    found = explain(cron_spec, zone=zone, after=system_clock(), count=1)
    say(found.sentence[language()])
    if not active:
        say(translate("It is disabled and queues nothing."))
    elif found.next:
        say(translate("next run: {moment}", moment=readable(found.next[0])))
    else:
        say(translate("It never runs."))


def tell_warnings(cron_spec: str, zone: ZoneInfo) -> None:
    """What may surprise, on stderr."""
    from taskserver.cron import preview as explain

    for warning in explain(cron_spec, zone=zone, after=system_clock(), count=0).warnings:
        note(translate("warning: {text}", text=getattr(warning, language())))


def _default_time_zone(session: Session) -> str:
    try:
        return session.settings.time_zone
    except TaskServerError:
        from taskserver.config.machine import time_zone

        return time_zone()
