"""The commands that start, stop and watch the daemon, as a SysV init script has them.

Each one finds its users directory and hands over to `lifecycle_*`, which imports what it needs when it needs it:
`status` and `stop` work beside a broken configuration and without a database.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from taskserver.cli.command import command, option
from taskserver.cli.parameters import Number
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _remember_users_dir(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        Session.of(ctx).users_dir = value.absolute()


def _remember_allow_root(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        Session.of(ctx).allow_root = True


def _users_dir_option(function: Decorated) -> Decorated:
    return option(
        "--users-dir",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        expose_value=False,
        callback=_remember_users_dir,
        help=mark("The folder of the pidfile, when the configuration cannot tell it."),
    )(function)


def _allow_root_option(function: Decorated) -> Decorated:
    return option(
        "--allow-root",
        is_flag=True,
        expose_value=False,
        callback=_remember_allow_root,
        help=mark("Let the daemon work as root."),
    )(function)


def _require_drain_time(_ctx: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is None:
        return None
    from taskserver.daemon.stop_request import LONGEST_SECONDS

    if not 0 <= value <= LONGEST_SECONDS:
        most = f"{LONGEST_SECONDS:.0f}"
        told = translate("{value:g} is not from {least} to {most} seconds", value=value, least=0, most=most)
        raise click.BadParameter(told)
    return value


def _stop_options(function: Decorated) -> Decorated:
    timeout = option(
        "--timeout",
        metavar="SECONDS",
        type=Number(),
        callback=_require_drain_time,
        help=mark("How long running jobs may go on, shorter or longer than drain_timeout of the configuration."),
    )
    now = option("--now", is_flag=True, help=mark("Stop at once: running jobs are released and run again later."))
    return timeout(now(function))


@command(examples=["task_server start", "task_server --run-job=4711 start"])
@_allow_root_option
@pass_session
def start(session: Session) -> int:
    """Starts the daemon and returns when it takes work.

    Says why if it does not. Does nothing if it runs already.
    """
    from taskserver.cli import lifecycle_start

    if session.run_job is not None:
        return lifecycle_start.run_job(session, session.run_job)
    return lifecycle_start.start(session)


@command(examples=["task_server stop", "task_server stop --timeout 300", "task_server stop --now"])
@_users_dir_option
@_stop_options
@pass_session
def stop(session: Session, timeout: float | None, now: bool) -> int:
    """Stops the daemon once its running jobs have ended.

    Jobs that are still running after the drain time are asked to stop, then released: they run again later.
    """
    from taskserver.cli import lifecycle_stop

    return lifecycle_stop.stop(session, timeout=timeout, now=now)


@command(examples=["task_server restart"])
@_allow_root_option
@_stop_options
@pass_session
def restart(session: Session, timeout: float | None, now: bool) -> int:
    """Stops the daemon if it runs, then starts it.

    Configuration, task modules, log and database are tried first: where they would keep a new daemon from working,
    the old one goes on undisturbed.
    """
    from taskserver.cli import lifecycle_start, lifecycle_stop

    lifecycle_start.require_startable(session)
    return lifecycle_stop.stop(session, timeout=timeout, now=now) or lifecycle_start.start(session, probed=True)


@command("try-restart", examples=["task_server try-restart"])
@_allow_root_option
@_stop_options
@pass_session
def try_restart(session: Session, timeout: float | None, now: bool) -> int:
    """Restarts the daemon if it runs; does nothing else."""
    from taskserver.cli import lifecycle_start, lifecycle_stop

    if not lifecycle_stop.runs(session):
        return 0
    lifecycle_start.require_startable(session)
    return lifecycle_stop.stop(session, timeout=timeout, now=now) or lifecycle_start.start(session, probed=True)


@command(examples=["task_server reload", "task_server reload --rotated"])
@option(
    "--rotated",
    is_flag=True,
    help=mark("The log was rotated: open it anew, in silence, also if the configuration has faults."),
)
@pass_session
def reload(session: Session, rotated: bool) -> int:
    """Lets the running daemon read its configuration again and open its log anew.

    Says which settings change only with a restart.
    """
    from taskserver.cli import lifecycle_stop

    return lifecycle_stop.reopen(session) if rotated else lifecycle_stop.reload(session)


@command("force-reload", examples=["task_server force-reload"])
@pass_session
def force_reload(session: Session) -> int:
    """The same as reload; never starts a daemon that does not run."""
    from taskserver.cli import lifecycle_stop

    return lifecycle_stop.reload(session)


@command(examples=["task_server status", "task_server status --json"])
@_users_dir_option
@pass_session
def status(session: Session) -> int:
    """Shows whether the daemon runs and what it does.

    Exits with 0 if it runs, 1 if it died and left its pidfile, 3 if it does not run, 4 if that cannot be told.
    """
    from taskserver.cli import lifecycle_status

    return lifecycle_status.status(session)


@command(examples=["task_server run", "task_server -f start"])
@_allow_root_option
@option("--expect-stop", is_flag=True, help=mark("Stop itself with SIGSTOP when ready, as upstart expects it."))
@pass_session
def run(session: Session, expect_stop: bool) -> int:
    """Runs the server in the foreground, for service managers and containers.

    The log goes to standard error. Ctrl-C ends it as stop does, a second one at once.
    """
    from taskserver.cli import lifecycle_start

    if session.run_job is not None:
        return lifecycle_start.run_job(session, session.run_job)
    return lifecycle_start.run(session, stop_when_ready=expect_stop)


@command(examples=["task_server check", "task_server check --json"])
@pass_session
def check(session: Session) -> int:
    """Looks for everything that would keep the daemon from working.

    Reads the configuration, tries the folders, the task modules and the commands as the daemon's user, and asks
    the database. Changes nothing.
    """
    from taskserver.cli import lifecycle_check

    return lifecycle_check.check(session)


@command(examples=["task_server wake"])
@_users_dir_option
@pass_session
def wake(session: Session) -> int:
    """Lets the running daemon look for work at once."""
    from taskserver.cli import lifecycle_stop

    return lifecycle_stop.wake(session)
