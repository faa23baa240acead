"""`job wait`: follows a job to its end, with a progress bar on a terminal and plain lines elsewhere.

The exit code tells the outcome. The job is read from the database again and again: what waits here needs no
daemon to talk to, and a job that was removed meanwhile is answered from its last run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol

import click

from taskserver.cli.command import command, option
from taskserver.cli.job.view import ending
from taskserver.cli.output import note, percent, print_json, printable, say
from taskserver.cli.parameters import JOB_ID, Span
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_JOB_FAILED, EXIT_JOB_STOPPED, EXIT_OK, EXIT_TIMED_OUT
from taskserver.texts import mark, translate
from taskserver.words import status_word

EXIT_CODES = MappingProxyType(
    {
        "finished": EXIT_OK,
        "failed": EXIT_JOB_FAILED,
        "lost": EXIT_JOB_FAILED,
        "stopped": EXIT_JOB_STOPPED,
    }
)

_POLL_SECONDS = 0.2
_EXPLAIN_AFTER_SECONDS = 3.0

Row = Mapping[str, Any]


class Display(Protocol):
    def update(self, job: Row) -> None: ...


@command(examples=["task_server job wait 12", "task_server job wait 12 --timeout 10m"])
@click.argument("job_id", metavar="ID", type=JOB_ID)
@option("--timeout", metavar="TIME", type=Span(), help=mark("How long at most; seconds, or 10m, 2h."))
@pass_session
def wait(session: Session, job_id: int, timeout: timedelta | None) -> int:
    """Waits for the end of a job and shows its progress.

    The exit code is 0 for finished, 150 for failed, 152 for stopped, 151 when the time was over.
    """
    return wait_for(session, job_id, timeout)


def wait_for(session: Session, job_id: int, timeout: timedelta | None) -> int:
    """Follows the job; returns the exit code of its outcome, or 151 when `timeout` was over first."""
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
    with _display(session, job_id) as display:
        job = _follow(session, job_id, deadline, display)
    if session.json:
        print_json(job)
    elif job["status"] in EXIT_CODES:
        say(ending(job_id, job))
    else:
        note(translate("job {id} has not ended: {status}", id=job_id, status=status_word(job["status"])))
    return EXIT_CODES.get(job["status"], EXIT_TIMED_OUT)


def _follow(session: Session, job_id: int, deadline: float | None, display: Display) -> Row:
    """The job when it has ended, or when the deadline has passed."""
    explain_at: float | None = time.monotonic() + _EXPLAIN_AFTER_SECONDS
    while True:
        job: Row = session.store.jobs.get(job_id)
        display.update(job)
        now = time.monotonic()
        if job["status"] in EXIT_CODES or (deadline is not None and now >= deadline):
            return job
        if job["status"] != "waiting":
            explain_at = None
        elif explain_at is not None and now >= explain_at:
            explain_at = None
            for finding in session.explain(job_id):
                note(finding.text)
        time.sleep(_POLL_SECONDS if deadline is None else max(0.0, min(_POLL_SECONDS, deadline - now)))


class _Lines:
    """A line on stderr for each change of status, percent or detail."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._last = ""

    def update(self, job: Row) -> None:
        parts = [status_word(job["status"]), percent(job.get("progress")), printable(job.get("detail") or "")]
        line = translate("job {id}: {state}", id=self._job_id, state=" ".join(part for part in parts if part))
        if line != self._last and job["status"] not in EXIT_CODES:
            note(line)
            self._last = line


@contextmanager
def _display(session: Session, job_id: int) -> Iterator[Display]:
    if not sys.stderr.isatty() or session.json:
        yield _Lines(job_id)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    detail_text = TextColumn("{task.fields[detail]}", markup=False)
    columns = (text, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), detail_text)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(progress, job_id)


class _Bar:
    """rich's progress bar; without a percentage it only moves to and fro."""

    def __init__(self, progress: Any, job_id: int) -> None:
        self._progress = progress
        self._job_id = job_id
        self._bar = progress.add_task("", total=None, detail="")

    def update(self, job: Row) -> None:
        done = 100.0 if job["status"] == "finished" else job.get("progress")
        self._progress.update(
            self._bar,
            description=translate("job {id}: {state}", id=self._job_id, state=status_word(job["status"])),
            total=None if done is None else 100.0,
            completed=done or 0.0,
            detail=" ".join(printable(job.get("detail") or "").split()),
        )
