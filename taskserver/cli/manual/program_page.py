"""task_server(8), made from the commands themselves: their help, their options, their examples."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from taskserver.cli.command import Group, shared_options
from taskserver.cli.manual.reference import ENVIRONMENT, EXIT_CODES, FILES, SIGNALS
from taskserver.cli.manual.roff import Roff
from taskserver.texts import mark, translate

NAME = "task_server"
PURPOSE = mark("runs due cron entries and queued tasks")
_DESCRIPTION = mark(
    "One daemon beside one SQL database: it runs cron entries when they are due and jobs that programs have "
    "queued, many at the same time, and keeps a record of every run. `task_server` starts, stops and watches it, "
    "and shows and changes what it has to do. It works from any directory, through a symbolic link, and with an "
    "empty environment.\n\n"
    "Data go to standard output, messages to standard error. With --json a command that shows something prints "
    "one JSON document instead, with times in UTC."
)
_COMMANDS = mark(
    "The options under OPTIONS may stand before and after the command. `task_server help COMMAND` shows one."
)
_PROGRAMS = mark("A job can be queued by every program that can write to the database:")
_INSERT = """INSERT INTO jobs (task, data) VALUES ('sample', '{"seconds": 1}');"""


def write(page: Roff, root: Group) -> None:
    """Everything but the head of the page, in the language in use."""
    page.heading(translate("NAME"))
    page.name(NAME, translate(PURPOSE))
    page.heading(translate("SYNOPSIS"))
    page.synopsis(NAME, "[-c FILE] COMMAND [OPTION]... [ARGUMENT]...")
    page.synopsis(NAME, "-f start")
    page.synopsis(NAME, "--run-job=ID start")
    page.end_of_synopsis()
    page.heading(translate("DESCRIPTION"))
    page.text(translate(_DESCRIPTION))
    page.heading(translate("COMMANDS"))
    page.text(translate(_COMMANDS))
    for path, command, ctx in _commands(root):
        _write_command(page, path, command, ctx)
    page.heading(translate("OPTIONS"))
    _write_options(page, root, _context(root, None, NAME), shared=True)
    page.heading(translate("EXIT STATUS"))
    for code, text in EXIT_CODES:
        page.term(str(code), translate(text))
    page.heading(translate("SIGNALS"))
    for name, text in SIGNALS:
        page.term(name, translate(text))
    page.heading(translate("FILES"))
    for name, text in FILES:
        page.term(name, translate(text))
    page.heading(translate("ENVIRONMENT"))
    for name, text in ENVIRONMENT:
        page.term(name, translate(text))
    page.heading(translate("EXAMPLES"))
    page.example(root.examples)
    page.text(translate(_PROGRAMS))
    page.example([_INSERT])
    page.heading(translate("SEE ALSO"))
    page.text("taskserver.toml(5), crontab(5), systemd.service(5), logrotate(8)")


def _commands(
    group: Group, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with the words that call it, a group before what is in it."""
    ctx = parent or _context(group, None, NAME)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is None:
            continue
        inner = _context(command, ctx, name)
        yield inner.command_path.removeprefix(f"{NAME} "), command, inner
        if isinstance(command, Group):
            yield from _commands(command, inner)


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    """As click makes it for a call: a command remembers the first context that asks for its options."""
    return click.Context(command, parent, name, **command.context_settings)


def _write_command(page: Roff, path: str, command: click.Command, ctx: click.Context) -> None:
    usage = [piece for piece in command.collect_usage_pieces(ctx) if piece != "[OPTIONS]" or _own(command)]
    page.subheading(" ".join([path, *usage]))
    page.text(translate(cleandoc(command.help or "")))
    _write_options(page, command, ctx, shared=False)
    if examples := getattr(command, "examples", ()):
        page.example(examples)


def _own(command: click.Command) -> list[click.Parameter]:
    """The options that this command does not share with all."""
    shared = {name for option in shared_options() for name in option.opts}
    return [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not shared & {*parameter.opts}
    ]


def _write_options(page: Roff, command: click.Command, ctx: click.Context, *, shared: bool) -> None:
    options = command.get_params(ctx) if shared else _own(command)
    for option in options:
        record = option.get_help_record(ctx)
        if record is not None:
            page.term(record[0], record[1])
