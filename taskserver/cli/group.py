"""The root of the control program: its commands by name, its global options, `help` and `version`.

A command's module is imported when the command is asked for. Knows the commands by their address only.
"""

from __future__ import annotations

import platform
from pathlib import Path
from types import MappingProxyType

import click

import taskserver
from taskserver.cli.command import Group, Option, command, option
from taskserver.cli.output import print_json, say
from taskserver.cli.parameters import JOB_ID
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_UNIMPLEMENTED, TaskServerError
from taskserver.texts import mark, translate

PROGRAM = "task_server"

COMMANDS = MappingProxyType(
    {
        "start": "taskserver.cli.lifecycle:start",
        "stop": "taskserver.cli.lifecycle:stop",
        "restart": "taskserver.cli.lifecycle:restart",
        "try-restart": "taskserver.cli.lifecycle:try_restart",
        "reload": "taskserver.cli.lifecycle:reload",
        "force-reload": "taskserver.cli.lifecycle:force_reload",
        "status": "taskserver.cli.lifecycle:status",
        "run": "taskserver.cli.lifecycle:run",
        "check": "taskserver.cli.lifecycle:check",
        "wake": "taskserver.cli.lifecycle:wake",
        "job": "taskserver.cli.job:job",
        "schedule": "taskserver.cli.schedule:schedule",
        "history": "taskserver.cli.history:history",
        "task": "taskserver.cli.task:task",
        "client": "taskserver.cli.client:client",
        "user": "taskserver.cli.user:user",
        "token": "taskserver.cli.token:token",
        "console": "taskserver.cli.console:console",
        "autostart": "taskserver.cli.autostart:autostart",
        "db": "taskserver.cli.db:db",
        "config": "taskserver.cli.config:config",
        "install": "taskserver.cli.install:install",
        "uninstall": "taskserver.cli.install:uninstall",
        "completion": "taskserver.cli.completion:completion",
        "man": "taskserver.cli.man:man",
        "version": "taskserver.cli.group:version",
        "help": "taskserver.cli.group:help_",
    }
)

TELL_STATE = frozenset({"status"})
"""The commands whose exit code is their answer, whatever becomes of their output."""

UNIMPLEMENTED = MappingProxyType(
    {
        "force-stop": "stop --now",
        "condrestart": "try-restart",
        "condstop": "stop",
        "condreload": "reload",
        "rotate": "reload",
        "probe": "status",
    }
)
"""Actions that init scripts elsewhere have (Debian, Red Hat, SUSE), and what to call here instead."""


class Unimplemented(TaskServerError):
    text = mark("{action} is not implemented; use {instead}")
    exit_code = EXIT_UNIMPLEMENTED


STARTING = ("start", "run")
"""The commands that -f and --run-job belong to."""


def _refuse_idle_options(ctx: click.Context, command_name: str) -> None:
    """What would be ignored may have been meant: `--run-job=1 status` runs nothing."""
    if command_name in STARTING:
        return
    for name, shown in (("foreground", "-f"), ("run_job", "--run-job")):
        if ctx.params.get(name) is not None and ctx.params[name] is not False:
            ctx.fail(translate("{option} goes with start, not with {command}", option=shown, command=command_name))


class Root(Group):
    """The program itself: `-f start` is `run`, and without a command it shows its usage and exits with 2.

    As an init script has it, an action that exists elsewhere is unimplemented, not wrong usage.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in UNIMPLEMENTED and not ctx.resilient_parsing:
            raise Unimplemented(action=args[0], instead=UNIMPLEMENTED[args[0]])
        if ctx.params.get("foreground") and args[0] == "start":
            args = ["run", *args[1:]]
        found = super().resolve_command(ctx, args)
        if not ctx.resilient_parsing:
            _refuse_idle_options(ctx, args[0])
        return found


@command(examples=["task_server version", "task_server version --json"])
@pass_session
def version(session: Session) -> None:
    """Shows the version of the task server."""
    if session.json:
        print_json({"version": taskserver.__version__, "python": platform.python_version()})
    else:
        say(f"{PROGRAM} {taskserver.__version__}")


@command("help", examples=["task_server help", "task_server help job add"])
@click.argument("command", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Shows the help of a command."""
    context = ctx.find_root()
    for name in command:
        if not isinstance(context.command, Group):
            break
        _, found, _ = context.command.resolve_command(context, [name])
        if found is not None:
            context = click.Context(found, context, name)
    text = context.get_help()
    if Session.of(ctx).json:
        print_json({"help": text})
    else:
        say(text)


def _show_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        say(f"{PROGRAM} {taskserver.__version__}")
        ctx.exit()


@click.group(
    PROGRAM,
    cls=Root,
    lazy=COMMANDS,
    examples=[
        "task_server start",
        "task_server job add sample --wait",
        'task_server schedule add nightly sample --cron "30 2 * * *"',
    ],
)
@option("-f", "foreground", is_flag=True, help=mark("With start: stay in the foreground, as run does."))
@option(
    "--run-job",
    metavar="ID",
    type=JOB_ID,
    help=mark("With start: run this one job now, active or not, then exit."),
)
@option("--allow-root", is_flag=True, help=mark("Let the daemon run as root."))
@option(
    "--users-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help=mark("The folder of the pidfile and the database. Default: the configuration's."),
)
@click.option(
    "--version",
    cls=Option,
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help=mark("Show the version and exit."),
)
@click.pass_context
def task_server(
    ctx: click.Context, foreground: bool, run_job: int | None, allow_root: bool, users_dir: Path | None
) -> None:
    """Runs due cron entries and queued tasks, and controls the daemon that does so."""
    session = Session.of(ctx)
    session.foreground = foreground
    session.run_job = run_job
    session.allow_root = allow_root
    session.users_dir = users_dir.absolute() if users_dir else None
