"""The options that `schedule add` and `schedule edit` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from taskserver.cli.command import option
from taskserver.cli.parameters import Priority, WholeNumber, Words, completed_with
from taskserver.texts import mark

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def entry_options(*, adding: bool) -> Callable[[Decorated], Decorated]:
    """Every option is None if it is not given: the store's default when adding, no change when editing."""

    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(_options(adding)):
            function = decorator(function)
        return function

    return decorate


def by_name(function: Decorated) -> Decorated:
    """The cron entry by its name, or its id, and its client."""
    function = option(
        "--client",
        metavar="NAME",
        default="default",
        help=mark("Whose entry. Default: the client default."),
        shell_complete=completed_with("clients"),
    )(function)
    return click.argument("name", shell_complete=completed_with("entries"))(function)


def _options(adding: bool) -> list[Callable[[Any], Any]]:
    return [
        option(
            "--time-zone",
            metavar="ZONE",
            help=mark("As Europe/Berlin. Default: time_zone of the configuration.")
            if adding
            else mark("As Europe/Berlin."),
        ),
        option(
            "--misfire",
            type=click.Choice(["once", "all", "skip"]),
            help=mark("After downtime: one job for all that was missed, each of them, or none."),
        ),
        option(
            "--overlap",
            type=click.Choice(["skip", "queue"]),
            help=mark("While an earlier job has not ended: skip the due time, or queue the job behind it."),
        ),
        option("--title", metavar="TEXT", type=Words(), help=mark("A title for people.")),
        option("--description", metavar="TEXT", type=Words(), help=mark("A description for people.")),
        option("--priority", metavar="N", type=Priority(), help=mark("Higher runs first.")),
        option("--node", "node_id", metavar="NAME", help=mark("Only this node may run its jobs.")),
        option("--max-attempts", metavar="N", type=WholeNumber(min=1), help=mark("Default: the task's.")),
    ]
