"""`history list|show`: the runs, which stay when their jobs are gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import click

from taskserver.cli.command import group, option
from taskserver.cli.job.view import data_text
from taskserver.cli.output import (
    local_time,
    note,
    print_fields,
    print_json,
    print_table,
    printable,
    say,
    span,
)
from taskserver.cli.parameters import (
    JOB_ID,
    RUN_ID,
    RUN_STATUSES,
    Moment,
    TaskName,
    client_option,
    first_page,
    limit_option,
)
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate
from taskserver.words import reason_word, status_word

SAID_BY_ERROR = ("arguments", "killed")
"""Reasons with which the error begins anyway."""

Row = Mapping[str, Any]


@group(
    examples=[
        "task_server history list --status failed --from -1d",
        "task_server history show 31",
    ]
)
def history() -> None:
    """Shows the runs of jobs, also of those that are gone."""


@history.command(
    "list",
    examples=[
        "task_server history list",
        "task_server history list --task invoices.create --status failed",
        "task_server history list --from 2026-11-01 --to 2026-12-01 --json",
    ],
)
@option("--task", metavar="NAME", type=TaskName(), help=mark("Only runs of this task."))
@option("--status", type=click.Choice(RUN_STATUSES), help=mark("Only runs that ended so."))
@client_option(mark("Only this client's runs."))
@option("--node", metavar="NAME", help=mark("Only runs on this node."))
@option("--job", "job_id", metavar="ID", type=JOB_ID, help=mark("Only runs of this job."))
@option("--text", metavar="TEXT", help=mark("Only runs with this text in title or task."))
@option("--result", metavar="TEXT", help=mark("Only runs with this text in the result."))
@option("--error", metavar="TEXT", help=mark("Only runs with this text in the error."))
@option(
    "--from", "since", metavar="TIME", type=Moment(), help=mark("Only runs that ended then or later; also -1d.")
)
@option("--to", "until", metavar="TIME", type=Moment(), help=mark("Only runs that ended before then."))
@option("--before", "before_id", metavar="RUN", type=JOB_ID, help=mark("Go on before this run of the list."))
@limit_option
@pass_session
def list_(session: Session, /, *, limit: int, **filters: Any) -> None:
    """Lists runs, the latest first.

    At most --limit of them, also with --json; if there are more, a line on stderr says how to go on.
    """
    runs, more = first_page(partial(session.store.runs.find, **filters), limit)
    if session.json:
        print_json(runs)
    else:
        _print_list(runs, session.zone)
    if more:
        note(
            translate("there are more runs: go on with --before {id}, or see more with --limit", id=runs[-1]["id"])
        )


def _print_list(runs: list[dict[str, Any]], zone: tzinfo) -> None:
    headings = [
        translate("Run"),
        translate("Job"),
        translate("Task"),
        translate("Title"),
        translate("Client"),
        translate("Started"),
        translate("Duration"),
        translate("Outcome"),
    ]
    print_table(headings, (_columns(run, zone) for run in runs), nothing=translate("no runs"))


@history.command(examples=["task_server history show 31", "task_server history show 31 --json"])
@click.argument("run_id", metavar="RUN", type=RUN_ID)
@pass_session
def show(session: Session, run_id: int) -> None:
    """Shows a run with its outcome, its traceback and its output.

    The text counts attempts from 1; with --json `attempt` is the column: how many attempts had failed before.
    """
    run = session.store.runs.get(run_id)
    lines = session.store.jobs.output(run_id=run_id)
    if session.json:
        print_json({**run, "output": lines})
        return
    print_fields(_fields(run, session.zone))
    if run["traceback"]:
        say("\n" + printable(run["traceback"]).rstrip())
    if lines:
        say("\n" + translate("Output"))
        for line in lines:
            say(printable(line["text"]))


def outcome(run: Row) -> str:
    """`failed (out of time): message`: how the run ended, in one line."""
    told = (None, "error", run["status"], *(SAID_BY_ERROR if run["error"] else ()))
    reason = run["reason"] if run["reason"] not in told else None
    ended = status_word(run["status"]) + (f" ({reason_word(reason)})" if reason else "")
    what = run["error"] or run["result"] or ""
    return f"{ended}: {what}" if what else ended


def duration(run: Row) -> timedelta | None:
    started: datetime | None = run["started_at"]
    finished: datetime | None = run["finished_at"]
    return finished - started if started and finished else None


def _columns(run: Row, zone: tzinfo) -> list[object]:
    return [
        run["id"],
        run["job_id"],
        run["task"],
        run["title"],
        run["client"],
        local_time(run["started_at"], zone),
        span(duration(run)),
        outcome(run),
    ]


def _fields(run: Row, zone: tzinfo) -> list[tuple[str, object]]:
    def at(name: str) -> str:
        return local_time(run[name], zone, with_zone=True)

    size = run["max_rss"]
    return [
        (translate("Run"), run["id"]),
        (translate("Job"), run["job_id"]),
        (translate("Task"), run["task"]),
        (translate("Title"), run["title"]),
        (translate("Client"), run["client"]),
        (translate("Login"), run["login"]),
        (translate("Node"), run["node_id"]),
        (translate("Arguments"), data_text(run["data"])),
        (translate("Attempt"), (run["attempt"] or 0) + 1),
        (translate("Due"), at("due_at")),
        (translate("Started"), at("started_at")),
        (translate("Ended"), at("finished_at")),
        (translate("Duration"), span(duration(run))),
        (translate("Status"), status_word(run["status"])),
        (translate("Reason"), reason_word(run["reason"]) if run["reason"] else ""),
        (translate("Result"), run["result"]),
        (translate("Error"), run["error"]),
        (translate("CPU time"), span(run["cpu_seconds"])),
        (translate("Memory"), f"{size / (1 << 20):.1f} MB" if size else ""),
    ]
