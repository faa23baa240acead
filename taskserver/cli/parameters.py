"""The parameters that several commands take, and the types in which click reads them.

Knows the words of the command line only; what is read is given to the commands as plain values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskserver.cli.command import option
from taskserver.cli.session import Session
from taskserver.texts import mark, translate

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

STATUSES = ("waiting", "running", "stopping", "stopped", "finished", "failed")
RUN_STATUSES = ("finished", "failed", "stopped", "lost")

LARGEST_NUMBER = 2**63 - 1
"""The largest whole number that a database holds."""

LEAST_PRIORITY, MOST_PRIORITY = -(2**31), 2**31 - 1


class Moment(click.ParamType[datetime]):
    """An instant, read in the time zone of the configuration."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        from taskserver.cli.moments import read_moment
        from taskserver.clock import system_clock

        session = Session.of(ctx or click.get_current_context())
        return read_moment(value, zone=session.zone, now=system_clock())


class Span(click.ParamType[timedelta]):
    """A duration: seconds, or 90s, 10m, 2h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        from taskserver.cli.moments import read_span

        return read_span(value)


def completed_with(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """How the shell completes a word: with what the database has of `what` (tasks, clients, entries, jobs)."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from taskserver.cli.completing import items

        return items(ctx, what, incomplete)

    return complete


class TaskName(click.ParamType[str]):
    """The name of a task; the shell completes those that daemons have published."""

    name = "task"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completed_with("tasks")(ctx, param, incomplete)


class WholeNumber(click.ParamType[int]):
    """A whole number within bounds, as every database holds it."""

    name = "integer"

    def __init__(self, *, min: int, max: int | None = None) -> None:
        self._least = min
        self._most = max

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(translate("{value!r} is not a whole number", value=value), param, ctx)
        if self._most is not None and not self._least <= number <= self._most:
            told = translate(
                "{value} is not from {least} to {most}", value=number, least=self._least, most=self._most
            )
            self.fail(told, param, ctx)
        if number < self._least:
            self.fail(translate("{value} is less than {least}", value=number, least=self._least), param, ctx)
        if number > LARGEST_NUMBER:
            self.fail(translate("{value} is too large a number", value=number), param, ctx)
        return number


class Number(click.ParamType[float]):
    """A number, with or without a fraction."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(value)
        except ValueError:
            self.fail(translate("{value!r} is not a number", value=value), param, ctx)


class Priority(WholeNumber):
    """What the column of the priority holds."""

    def __init__(self) -> None:
        super().__init__(min=LEAST_PRIORITY, max=MOST_PRIORITY)


class Words(click.ParamType[str]):
    """A text for people; bytes of the command line that are no UTF-8 become U+FFFD."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return re.sub("[\ud800-\udfff]", "\ufffd", str(value))


class Name(Words):
    """A name that is given: not empty, nor spaces alone."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = super().convert(value, param, ctx)
        if not name.strip():
            self.fail(translate("a name must not be empty"), param, ctx)
        return name


class JobId(WholeNumber):
    """The id of a job; the shell completes the latest."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completed_with("jobs")(ctx, param, incomplete)


JOB_ID = JobId(min=1)
RUN_ID = WholeNumber(min=1)


def job_ids(function: Decorated) -> Decorated:
    """One or more jobs by id."""
    return click.argument("job_ids", metavar="ID...", nargs=-1, required=True, type=JOB_ID)(function)


def client_option(help_text: str) -> Callable[[Decorated], Decorated]:
    return option(
        "--client", metavar="NAME", type=Words(), help=help_text, shell_complete=completed_with("clients")
    )


def limit_option(function: Decorated) -> Decorated:
    return option(
        "--limit",
        metavar="N",
        type=WholeNumber(min=1),
        default=100,
        show_default=True,
        help=mark("How many at most."),
    )(function)


def first_page(find: Callable[..., list[Any]], limit: int) -> tuple[list[Any], bool]:
    """The first `limit` rows that `find` has, and whether there are more."""
    rows = find(limit=min(limit + 1, LARGEST_NUMBER))
    return rows[:limit], len(rows) > limit


def task_with_arguments(function: Decorated) -> Decorated:
    """`TASK [NAME=VALUE ...]` and `--data JSON`."""
    function = option("--data", metavar="JSON", help=mark("The arguments as one JSON object."))(function)
    function = click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)(function)
    return click.argument("task", type=TaskName())(function)


def yes_option(function: Decorated) -> Decorated:
    return option("--yes", is_flag=True, help=mark("Do not ask."))(function)
