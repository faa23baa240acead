"""`schedule list|show`: what people see of cron entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from taskserver.cli.command import command
from taskserver.cli.history import outcome
from taskserver.cli.job.view import data_text
from taskserver.cli.output import local_time, print_fields, print_json, print_table, say, yes_no
from taskserver.cli.parameters import client_option
from taskserver.cli.schedule.options import by_name
from taskserver.cli.schedule.preview import readable
from taskserver.cli.session import Session, pass_session
from taskserver.clock import system_clock
from taskserver.errors import TaskServerError
from taskserver.texts import language, mark, plural, translate
from taskserver.words import status_word

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Row = Mapping[str, Any]

_SHOWN = 10


@command("list", examples=["task_server schedule list", "task_server schedule list --client acme --json"])
@client_option(mark("Only this client's entries."))
@pass_session
def list_(session: Session, client: str | None) -> None:
    """Lists cron entries with their next run and how the last one ended."""
    entries = session.store.entries.find(client)
    if session.json:
        print_json(entries)
        return
    headings = [
        translate("Name"),
        translate("Active"),
        translate("Schedule"),
        translate("Time zone"),
        translate("Task"),
        translate("Client"),
        translate("Next run"),
        translate("Last run"),
        translate("Last status"),
    ]
    rows = (_columns(entry, session.zone) for entry in entries)
    print_table(headings, rows, nothing=translate("no cron entries"))


@command(examples=["task_server schedule show nightly", "task_server schedule show nightly --json"])
@by_name
@pass_session
def show(session: Session, name: str, client: str) -> None:
    """Shows a cron entry: what it means, its next runs, its last outcomes and what it has missed."""
    entry = session.store.entries.get(name, client)
    missed = session.store.entries.missed(entry["id"])
    runs = session.store.runs.find(cron_entry_id=entry["id"], limit=_SHOWN)
    sentence, following = _following(entry, session.zone.key)
    if session.json:
        print_json({**entry, "sentence": sentence, "next": following, "runs": runs, "missed": missed})
        return
    print_fields(_fields(entry, session.zone, sentence[language()]))
    _print_following(following)
    _print_runs(runs, session.zone)
    _print_missed(missed, session.zone)


def _columns(entry: Row, zone: ZoneInfo) -> list[object]:
    return [
        entry["name"],
        yes_no(entry["active"]),
        entry["cron_spec"],
        entry["time_zone"] or zone.key,
        entry["task"],
        entry["client"],
        local_time(entry["next_run_at"], zone) if entry["active"] else "",
        local_time(entry["last_run_at"], zone),
        status_word(entry["last_status"]),
    ]


def _fields(entry: Row, zone: ZoneInfo, sentence: str) -> list[tuple[str, object]]:
    return [
        (translate("Name"), entry["name"]),
        (translate("ID"), entry["id"]),
        (translate("Task"), entry["task"]),
        (translate("Title"), entry["title"]),
        (translate("Description"), entry["description"]),
        (translate("Client"), entry["client"]),
        (translate("Active"), yes_no(entry["active"])),
        (translate("Schedule"), f"{entry['cron_spec']} ({entry['time_zone'] or zone.key})"),
        (translate("Meaning"), sentence),
        (translate("Arguments"), data_text(entry["data"])),
        (translate("After downtime"), _misfire_word(entry["misfire"])),
        (translate("Overlap"), _overlap_word(entry["overlap"])),
        (translate("Priority"), entry["priority"] or ""),
        (translate("Node"), entry["node_id"]),
        (translate("Attempts"), entry["max_attempts"]),
        (translate("Created"), local_time(entry["created_at"], zone, with_zone=True)),
        (translate("Created by"), entry["created_by"]),
        (translate("Last run"), local_time(entry["last_run_at"], zone, with_zone=True)),
        (translate("Last status"), status_word(entry["last_status"])),
        (translate("Error"), entry["error"]),
    ]


def _misfire_word(misfire: str) -> str:
    words = {
        "once": mark("one job for all that was missed"),
        "all": mark("a job for each due time that was missed"),
        "skip": mark("what was missed is skipped"),
    }
    return translate(words[misfire])


def _overlap_word(overlap: str) -> str:
    words = {
        "skip": mark("a due time is skipped while an earlier job has not ended"),
        "queue": mark("a job is queued behind an earlier one that has not ended"),
    }
    return translate(words[overlap])


def _following(entry: Row, default_zone: str) -> tuple[dict[str, str], list[datetime]]:
    """The entry's meaning by language and its next times; an expression written by other means may be wrong.

    An entry written by other means may name no time zone; then that of the configuration applies.
    """
    from taskserver.cron import check_time_zone, preview

    try:
        zone = check_time_zone(entry["time_zone"] or default_zone)
        found = preview(entry["cron_spec"], zone=zone, after=system_clock(), count=_SHOWN // 2)
    except TaskServerError as error:
        return {"en": str(error), "de": error.message()}, []
    return found.sentence, found.next if entry["active"] else []


def _print_following(following: list[datetime]) -> None:
    if following:
        say("\n" + translate("Next runs"))
        for moment in following:
            say(f"  {readable(moment)}")


def _print_runs(runs: list[dict[str, Any]], zone: tzinfo) -> None:
    if runs:
        say("\n" + translate("Last outcomes"))
        for run in runs:
            when = local_time(run["started_at"], zone)
            say(f"  {when}  " + translate("run {id}: {outcome}", id=run["id"], outcome=outcome(run)))


def _print_missed(missed: list[dict[str, Any]], zone: tzinfo) -> None:
    if missed:
        say("\n" + translate("Missed"))
        for gap in missed:
            first, last = local_time(gap["first_due_at"], zone), local_time(gap["last_due_at"], zone)
            when = first if first == last else f"{first} - {last}"
            say(f"  {when}  " + _missed_words(gap["reason"], gap["count"]))


def _missed_words(reason: str, count: int) -> str:
    if reason == "overlap":
        return plural(
            "{count} due time skipped: an earlier job had not ended",
            "{count} due times skipped: an earlier job had not ended",
            count,
        )
    return plural(
        "{count} due time passed while nobody looked", "{count} due times passed while nobody looked", count
    )
