"""`schedule enable|disable|run|delete`: what people do to cron entries that are there."""

from __future__ import annotations

from datetime import timedelta

import click

from taskserver.cli.command import command, option
from taskserver.cli.job.wait import wait_for
from taskserver.cli.output import note, print_json, say
from taskserver.cli.parameters import Span
from taskserver.cli.schedule.options import by_name
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_OK
from taskserver.texts import mark, translate


@command(examples=["task_server schedule enable nightly"])
@by_name
@pass_session
def enable(session: Session, name: str, client: str) -> None:
    """Lets a cron entry queue jobs again, from its next due time on."""
    entry_id = session.store.entries.get(name, client)["id"]
    session.store.entries.enable(entry_id, default_zone=session.zone)
    session.wake()
    _tell(session, entry_id, translate("cron entry {name!r} is enabled", name=name))


@command(examples=["task_server schedule disable nightly"])
@by_name
@pass_session
def disable(session: Session, name: str, client: str) -> None:
    """Lets a cron entry queue no more jobs; those that are queued stay."""
    entry_id = session.store.entries.get(name, client)["id"]
    session.store.entries.disable(entry_id)
    session.wake()
    _tell(session, entry_id, translate("cron entry {name!r} is disabled", name=name))


@command(examples=["task_server schedule run nightly --wait"])
@by_name
@option("--wait", is_flag=True, help=mark("Wait for its end; the exit code tells how it ended."))
@option("--timeout", metavar="TIME", type=Span(), help=mark("With --wait: how long at most; seconds, or 10m, 2h."))
@pass_session
def run(session: Session, name: str, client: str, wait: bool, timeout: timedelta | None) -> int:
    """Queues a job of a cron entry now, active or not; its schedule goes on as before."""
    if timeout is not None and not wait:
        raise click.UsageError(translate("--timeout goes with --wait"))
    job_id = session.store.entries.run(session.store.entries.get(name, client)["id"])
    session.wake()
    if wait:
        note(translate("job {id} is queued", id=job_id))
        return wait_for(session, job_id, timeout)
    if session.json:
        print_json(session.store.jobs.get(job_id))
    else:
        say(translate("job {id} is queued", id=job_id))
    return EXIT_OK


@command(examples=["task_server schedule delete nightly"])
@by_name
@pass_session
def delete(session: Session, name: str, client: str) -> None:
    """Deletes a cron entry; the jobs that it has queued stay."""
    entry = session.store.entries.get(name, client)
    session.store.entries.delete(entry["id"])
    session.wake()
    if session.json:
        print_json(entry)
    else:
        say(translate("cron entry {name!r} is deleted", name=entry["name"]))


def _tell(session: Session, entry_id: int, told: str) -> None:
    if session.json:
        print_json(session.store.entries.get(entry_id))
    else:
        say(told)
