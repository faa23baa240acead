"""Commands, groups and options whose help is translated when it is shown, and the options that all share.

Every command is made with the decorators here, so that `--json`, `--lang` and `-c` are understood before and
after its name and each has its examples. Knows nothing of what the commands do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, TypeVar

import click

from taskserver.cli.session import Session
from taskserver.errors import did_you_mean
from taskserver.texts import LANGUAGES, mark, translate

Function = TypeVar("Function", bound=Callable[..., Any])
Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


class Option(click.Option):
    """An option whose help is shown in the reader's language."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        shown = copy(self)
        shown.help = translate(self.help or "")
        return super(Option, shown).get_help_record(ctx)


class Command(click.Command):
    """A command with translated help, examples below it, and the options that every command has."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        attributes.setdefault("context_settings", {}).setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)
        self.params.extend(shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; bytes that are no UTF-8 go no further, but in the names of files."""
        left = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            _refuse_strange_bytes(ctx, parameter, ctx.params.get(parameter.name or ""))
        return left

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = translate("Show this help and exit.")
        return option

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of the help, whole: the list of commands wraps it."""
        return first_sentence(translate(cleandoc(self.help or "")))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = copy(self)
        shown.help = translate(cleandoc(self.help or ""))
        super(Command, shown).format_help_text(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section(translate("Examples")):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Group(Command, click.Group):
    """A group of commands; those in `lazy` (name -> "module:attribute") are imported when asked for."""

    command_class = Command

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; an unknown command is refused with the name it may have been meant as."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.list_commands(ctx))
            ctx.fail(translate("there is no command {name!r}{hint}", name=name, hint=hint))
        return super().resolve_command(ctx, args)


def command(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Makes the function a command of its own."""
    return click.command(name, cls=Command, **attributes)


def group(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """Makes the function a group of commands; without a command the group shows its help and exits with 2."""
    return click.group(name, cls=Group, **attributes)


def option(*declarations: str, **attributes: Any) -> Callable[[Decorated], Decorated]:
    """An option with translated help."""
    return click.option(*declarations, cls=Option, **attributes)


def shared_options() -> list[click.Parameter]:
    """The options that may stand before and after the command's name."""
    return [
        Option(
            ["-c", "--config"],
            metavar="FILE",
            type=click.Path(path_type=Path),
            help=mark("The configuration file. Default: $TASKSERVER_CONFIG, else etc/taskserver.toml."),
            expose_value=False,
            callback=_remember("config"),
        ),
        Option(
            ["--json"],
            is_flag=True,
            help=mark("Print one JSON document."),
            expose_value=False,
            callback=_remember("json"),
        ),
        Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            help=mark("The language of texts. Default: the locale's."),
            expose_value=False,
        ),
    ]


def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph on one line, without its full stop."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _refuse_strange_bytes(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """No database takes what the system hands over as lone surrogates."""
    for text in value if isinstance(value, tuple) else (value,):
        if isinstance(text, str) and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            told = translate("{shown} is no UTF-8; write it in the encoding of this terminal", shown=shown)
            raise click.BadParameter(told, ctx=ctx, param=parameter)


def _remember(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(Session.of(ctx), field, value)

    return remember
