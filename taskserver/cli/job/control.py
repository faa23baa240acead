"""`job start|stop|kill|move`: what people do to jobs that are there."""

from __future__ import annotations

from collections.abc import Callable

import click

from taskserver.cli.command import command
from taskserver.cli.output import note, print_json, say
from taskserver.cli.parameters import JOB_ID, job_ids
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_OK, TaskServerError
from taskserver.texts import translate


@command(examples=["task_server job start 12", "task_server job start 12 13 14"])
@job_ids
@pass_session
def start(session: Session, job_ids: tuple[int, ...]) -> int:
    """Starts jobs by hand, also while auto-start is off.

    A stopped, failed or finished job is queued again; it goes on from its checkpoint.
    """
    return for_each(session, job_ids, session.store.jobs.start, lambda id_: _started(session, id_))


def _started(session: Session, job_id: int) -> str:
    """Nothing but a login, or a client, lets a job of a client without one begin."""
    why = next((found.text for found in session.explain(job_id) if found.code in ("no_login", "no_client")), None)
    if why is None:
        return translate("job {id} will be started", id=job_id)
    return translate("job {id} can't start yet: {why}", id=job_id, why=why)


@command(examples=["task_server job stop 12"])
@job_ids
@pass_session
def stop(session: Session, job_ids: tuple[int, ...]) -> int:
    """Stops jobs: a waiting job at once, a running job as soon as its task allows it."""
    return for_each(
        session, job_ids, session.store.jobs.stop, lambda id_: translate("job {id} is asked to stop", id=id_)
    )


@command(examples=["task_server job kill 12"])
@job_ids
@pass_session
def kill(session: Session, job_ids: tuple[int, ...]) -> int:
    """Kills the processes of running command tasks at once."""
    return for_each(session, job_ids, session.store.jobs.kill, lambda id_: translate("job {id} is killed", id=id_))


@command(examples=["task_server job move 12 first", "task_server job move 12 up"])
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.argument("where", metavar="up|down|first|last", type=click.Choice(["up", "down", "first", "last"]))
@pass_session
def move(session: Session, job_id: int, where: str) -> None:
    """Moves a waiting job among the waiting jobs of its client."""
    moved = session.store.jobs.move(job_id, where)
    session.wake()
    if session.json:
        print_json(session.store.jobs.get(job_id))
    elif moved:
        say(translate("job {id} is moved", id=job_id))
    else:
        say(translate("job {id} stands there already", id=job_id))


def for_each(
    session: Session, ids: tuple[int, ...], act: Callable[[int], object], told: Callable[[int], str]
) -> int:
    """Acts on each job; one that fails is told on stderr and does not keep the others back.

    With --json the jobs as they are afterwards, as an array. The exit code is that of the first failure.
    """
    code, done = EXIT_OK, []
    for job_id in ids:
        try:
            act(job_id)
            done.append(job_id)
        except TaskServerError as error:
            note(f"task_server: {error.message()}")
            code = code or error.exit_code
    session.wake()
    if session.json:
        print_json([session.store.jobs.get(job_id) for job_id in done])
    else:
        for job_id in done:
            say(told(job_id))
    return code
