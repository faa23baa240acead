"""`man`: prints the manual pages, for a reader or for a package."""

from __future__ import annotations

import click

from taskserver.cli.command import command
from taskserver.cli.output import print_json, say
from taskserver.cli.session import Session


@command(
    examples=[
        "task_server man | man -l -",
        "task_server man taskserver.toml --lang de > taskserver.toml.5",
    ]
)
@click.argument("page", type=click.Choice(["task_server", "taskserver.toml"]), default="task_server")
@click.pass_context
def man(ctx: click.Context, page: str) -> None:
    """Prints a manual page in the language of man(7)."""
    from taskserver.cli import manual

    text = manual.page(page)
    if Session.of(ctx).json:
        print_json({"page": page, "section": manual.SECTIONS[page], "text": text})
    else:
        say(text.rstrip("\n"))
