"""`task_server schedule`: the group of commands about cron entries.

Gathers the commands of this package under their names and knows nothing else.
"""

from __future__ import annotations

from taskserver.cli.command import group
from taskserver.cli.schedule.add import add
from taskserver.cli.schedule.control import delete, disable, enable, run
from taskserver.cli.schedule.edit import edit
from taskserver.cli.schedule.look import list_, show
from taskserver.cli.schedule.preview import preview


@group(
    examples=[
        'task_server schedule add nightly sample --cron "30 2 * * *"',
        "task_server schedule list",
        'task_server schedule preview "0 6 1 * *" --time-zone Europe/Berlin',
    ]
)
def schedule() -> None:
    """Adds, shows and changes cron entries, which queue a job at each due time."""


for _command in (add, list_, show, edit, enable, disable, run, delete, preview):
    schedule.add_command(_command)
