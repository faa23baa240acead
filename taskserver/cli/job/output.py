"""`job log`: the output of a job's runs, also while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import click

from taskserver.cli.command import command, option
from taskserver.cli.output import local_time, print_json, printable, say
from taskserver.cli.parameters import JOB_ID
from taskserver.cli.session import Session, pass_session
from taskserver.jobs import LIVE
from taskserver.texts import mark

_POLL_SECONDS = 0.3

Line = Mapping[str, Any]


@command(examples=["task_server job log 12", "task_server job log -f 12", "task_server job log --run 31 12"])
@click.argument("job_id", metavar="ID", type=JOB_ID)
@option("-f", "--follow", is_flag=True, help=mark("Go on until the job has ended."))
@option("-t", "--times", is_flag=True, help=mark("Show when each line was written."))
@option("--run", "run_id", metavar="RUN", type=JOB_ID, help=mark("Only this run of the job."))
@pass_session
def log(session: Session, job_id: int, follow: bool, times: bool, run_id: int | None) -> None:
    """Shows the output of a job: its commands' stdout and stderr, and what its task has logged."""
    session.store.jobs.get(job_id)
    lines = _read(session, job_id, run_id, None)
    if session.json:
        print_json(list(_all(session, job_id, run_id, lines) if follow else lines))
        return
    if not follow:
        _print(session, lines, times)
        return
    for batch in _batches(session, job_id, run_id, lines):
        _print(session, batch, times)
        sys.stdout.flush()


def _read(
    session: Session, job_id: int, run_id: int | None, after: tuple[int, int] | None
) -> list[dict[str, Any]]:
    if run_id is not None:
        return session.store.jobs.output(run_id=run_id, after=after)
    return session.store.jobs.output(job_id, after=after)


def _all(session: Session, job_id: int, run_id: int | None, lines: list[dict[str, Any]]) -> Iterable[Line]:
    for batch in _batches(session, job_id, run_id, lines):
        yield from batch


def _batches(
    session: Session, job_id: int, run_id: int | None, lines: list[dict[str, Any]]
) -> Iterable[list[dict[str, Any]]]:
    """What is there, then what comes, until the job has ended and all of its output has been read."""
    after = None
    while True:
        ended = session.store.jobs.get(job_id)["status"] not in LIVE
        lines = _read(session, job_id, run_id, after) if after is not None or not lines else lines
        if lines:
            after = (lines[-1]["run_id"], lines[-1]["seq"])
            yield lines
            lines = []
        elif ended:
            return
        else:
            time.sleep(_POLL_SECONDS)


def _print(session: Session, lines: Iterable[Line], times: bool) -> None:
    for line in lines:
        text = printable(line["text"])
        say(f"{local_time(line['at'], session.zone)} {text}" if times else text)
