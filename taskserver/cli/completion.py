"""`completion bash|zsh|fish`: the script by which a shell completes this program's commands."""

from __future__ import annotations

import click

from taskserver.cli.command import command
from taskserver.cli.output import print_json, say
from taskserver.cli.session import Session


@command(
    examples=[
        'eval "$(task_server completion bash)"',
        "task_server completion fish > ~/.config/fish/completions/task_server.fish",
    ]
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the completion script for a shell."""
    from click.shell_completion import get_completion_class

    from taskserver.cli.program import COMPLETE_VARIABLE

    found = get_completion_class(shell)
    root = ctx.find_root()
    if found is None:
        return
    script = found(root.command, {}, str(root.info_name), COMPLETE_VARIABLE).source()
    if Session.of(ctx).json:
        print_json({"script": script})
    else:
        say(script)
