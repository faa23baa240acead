"""`job add`: checks the arguments of a task and queues a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from taskserver.cli.arguments import read_arguments
from taskserver.cli.command import command, option
from taskserver.cli.job.wait import wait_for
from taskserver.cli.output import local_time, note, print_json, say
from taskserver.cli.parameters import (
    Moment,
    Name,
    Priority,
    Span,
    WholeNumber,
    Words,
    completed_with,
    task_with_arguments,
)
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate


@command(
    examples=[
        "task_server job add sample seconds=20 --wait",
        "task_server job add ocr path=/scans/4711 --client acme --priority 5",
        'task_server job add invoices.create --data \'{"month": "2026-11"}\' --at 2026-12-01T06:00',
    ]
)
@task_with_arguments
@option(
    "--at",
    "run_at",
    metavar="TIME",
    type=Moment(),
    help=mark("When to run: 2026-12-24T06:00 (local), with an offset, 06:00, or +10m, +2h, +3d. Default: now."),
)
@option("--priority", metavar="N", type=Priority(), default=0, help=mark("Higher runs first. Default: 0."))
@option("--title", metavar="TEXT", type=Words(), default="", help=mark("A title for people. Default: the task's."))
@option(
    "--client",
    metavar="NAME",
    default="default",
    help=mark("For whom it runs. Default: the client default."),
    shell_complete=completed_with("clients"),
)
@option("--unique-key", metavar="KEY", help=mark("Queue nothing if a live job of the client has this key."))
@option(
    "--unique-for",
    type=click.Choice(["live", "ever"]),
    default="live",
    help=mark("Among whom the key is unique: live jobs, or every job there ever was. Default: live."),
)
@option("--node", "node_id", metavar="NAME", type=Name(), help=mark("Only this node may run it."))
@option("--max-attempts", metavar="N", type=WholeNumber(min=1), help=mark("Default: the task's."))
@option("--wait", is_flag=True, help=mark("Wait for its end; the exit code tells how it ended."))
@option("--timeout", metavar="TIME", type=Span(), help=mark("With --wait: how long at most; seconds, or 10m, 2h."))
@pass_session
def add(
    session: Session,
    /,
    *,
    task: str,
    pairs: tuple[str, ...],
    data: str | None,
    wait: bool,
    timeout: timedelta | None,
    run_at: datetime | None,
    **columns: Any,
) -> int:
    """Queues a job.

    TASK is the name of a task, NAME=VALUE its arguments. With --wait the exit code is 0 for finished, 150 for
    failed, 152 for stopped, 151 when the time was over.
    """
    if timeout is not None and not wait:
        raise click.UsageError(translate("--timeout goes with --wait"))
    if columns["unique_for"] == "ever" and columns["unique_key"] is None:
        raise click.UsageError(translate("--unique-for ever goes with --unique-key"))
    arguments = read_arguments(session, task, pairs, data)
    queued = session.store.jobs.enqueue(task, arguments, run_at=run_at, created_by=session.user, **columns)
    session.wake()
    if wait:
        _announce(session, queued.id, queued.created, run_at, to_stdout=False)
        return wait_for(session, queued.id, timeout)
    if session.json:
        print_json({**session.store.jobs.get(queued.id), "created": queued.created})
    else:
        _announce(session, queued.id, queued.created, run_at, to_stdout=True)
    return 0


def _announce(session: Session, job_id: int, created: bool, run_at: datetime | None, *, to_stdout: bool) -> None:
    tell = say if to_stdout else note
    if not created:
        tell(translate("job {id} has this key already; nothing was queued", id=job_id))
    elif run_at is not None:
        moment = local_time(run_at, session.zone, with_zone=True)
        tell(translate("job {id} is queued for {moment}", id=job_id, moment=moment))
    else:
        tell(translate("job {id} is queued", id=job_id))
