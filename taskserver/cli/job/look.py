"""`job list|show|explain`: what people see of jobs."""

from __future__ import annotations

from functools import partial

import click

from taskserver.cli.command import command, option
from taskserver.cli.job import view
from taskserver.cli.output import note, print_fields, print_json, print_table, say
from taskserver.cli.parameters import (
    JOB_ID,
    STATUSES,
    TaskName,
    client_option,
    completed_with,
    first_page,
    limit_option,
)
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate


@command(
    "list",
    examples=[
        "task_server job list",
        "task_server job list --status failed --status stopped",
        "task_server job list --client acme --text 4711 --json",
    ],
)
@option(
    "--status",
    "statuses",
    type=click.Choice(STATUSES),
    multiple=True,
    help=mark("Only jobs of this status; may be given several times."),
)
@client_option(mark("Only this client's jobs."))
@option("--task", metavar="NAME", type=TaskName(), help=mark("Only jobs of this task."))
@option(
    "--entry",
    metavar="NAME",
    help=mark("Only jobs of this cron entry."),
    shell_complete=completed_with("entries"),
)
@option(
    "--text", metavar="TEXT", help=mark("Only jobs with this text in title, description, task, detail or error.")
)
@option("--after", "after_id", metavar="ID", type=JOB_ID, help=mark("Go on after this job of the list."))
@limit_option
@pass_session
def list_(
    session: Session,
    /,
    *,
    statuses: tuple[str, ...],
    client: str | None,
    task: str | None,
    entry: str | None,
    text: str | None,
    after_id: int | None,
    limit: int,
) -> None:
    """Lists jobs: the running ones first, then in the order in which they will start.

    At most --limit of them, also with --json; if there are more, a line on stderr says how to go on.
    """
    find = partial(
        session.store.jobs.find,
        status=set(statuses) or None,
        client=client,
        task=task,
        entry=None if entry is None else session.store.entries.get(entry, client or "default")["id"],
        text=text,
        after_id=after_id,
    )
    jobs, more = first_page(find, limit)
    if session.json:
        print_json(jobs)
    else:
        rows = (view.columns(job, session.zone) for job in jobs)
        print_table(view.headings(), rows, nothing=translate("no jobs"))
    if more:
        note(
            translate("there are more jobs: go on with --after {id}, or see more with --limit", id=jobs[-1]["id"])
        )


@command(examples=["task_server job show 12", "task_server job show 12 --json"])
@click.argument("job_id", metavar="ID", type=JOB_ID)
@pass_session
def show(session: Session, job_id: int) -> None:
    """Shows a job; of one that is gone, its last run.

    With --json `attempt` is the column: how many attempts have failed so far.
    """
    job = session.store.jobs.get(job_id)
    if session.json:
        print_json(job)
    else:
        print_fields(view.fields(job, session.zone))


@command(examples=["task_server job explain 12"])
@click.argument("job_id", metavar="ID", type=JOB_ID)
@pass_session
def explain(session: Session, job_id: int) -> None:
    """Says why a job does not run, or when it will."""
    findings = session.explain(job_id)
    if session.json:
        print_json([{"code": finding.code, "text": finding.text} for finding in findings])
        return
    for finding in findings:
        say(finding.text)
