"""`job delete|delete-finished|delete-all`: what takes jobs away. Runs stay, cron entries are not touched."""

from __future__ import annotations

import sys

import click

from taskserver.cli.command import command
from taskserver.cli.output import note, print_json, say
from taskserver.cli.parameters import client_option, job_ids, yes_option
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_OK, TaskServerError, UsageError
from taskserver.texts import mark, plural, translate


class NothingDeleted(TaskServerError):
    text = mark("nothing was deleted")


class NotConfirmed(UsageError):
    text = mark("nothing was deleted: without a terminal to ask at, say --yes")


@command(examples=["task_server job delete 12"])
@job_ids
@pass_session
def delete(session: Session, job_ids: tuple[int, ...]) -> int:
    """Deletes jobs. A running job is asked to stop and deleted when it has ended.

    With --json `deleted` holds the jobs that are gone, `stopping` those that will go.
    """
    code = EXIT_OK
    deleted: list[int] = []
    stopping: list[int] = []
    for job_id in job_ids:
        try:
            gone = session.store.jobs.delete(job_id)
            (deleted if gone else stopping).append(job_id)
        except TaskServerError as error:
            note(f"task_server: {error.message()}")
            code = code or error.exit_code
    session.wake()
    if session.json:
        print_json({"deleted": deleted, "stopping": stopping})
    else:
        for job_id in deleted:
            say(translate("job {id} is deleted", id=job_id))
        for job_id in stopping:
            say(translate("job {id} runs; it is asked to stop, and deleted when it has ended", id=job_id))
    return code


@command(
    "delete-finished",
    examples=["task_server job delete-finished", "task_server job delete-finished --client acme"],
)
@client_option(mark("Only this client's jobs."))
@pass_session
def delete_finished(session: Session, client: str | None) -> None:
    """Deletes every finished job."""
    tell_count(session, session.store.jobs.delete_finished(client))


@command("delete-all", examples=["task_server job delete-all", "task_server job delete-all --client acme --yes"])
@client_option(mark("Only this client's jobs."))
@yes_option
@pass_session
def delete_all(session: Session, client: str | None, yes: bool) -> None:
    """Deletes every job; running jobs are asked to stop first. Cron entries and runs stay."""
    if not yes:
        confirm_deletion(count_jobs(session, client))
    tell_count(session, session.store.jobs.delete_all(client))


def count_jobs(session: Session, client: str | None) -> int:
    if client is None:
        return sum(session.store.jobs.counts().values())
    return len(session.store.jobs.find(client=client, limit=1_000_000))


def confirm_deletion(count: int) -> None:
    """Asks on the terminal. Raises NothingDeleted for a no, NotConfirmed where nobody can be asked."""
    if not sys.stdin.isatty():
        raise NotConfirmed()
    question = plural("Delete {count} job?", "Delete {count} jobs?", count)
    if not click.confirm(question, err=True):
        raise NothingDeleted()


def tell_count(session: Session, count: int) -> None:
    session.wake()
    if session.json:
        print_json({"deleted": count})
    else:
        say(plural("{count} job deleted", "{count} jobs deleted", count))
