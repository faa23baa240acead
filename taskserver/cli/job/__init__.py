"""`task_server job`: the group of commands about jobs.

Gathers the commands of this package under their names and knows nothing else.
"""

from __future__ import annotations

from taskserver.cli.command import group
from taskserver.cli.job.add import add
from taskserver.cli.job.control import kill, move, start, stop
from taskserver.cli.job.look import explain, list_, show
from taskserver.cli.job.output import log
from taskserver.cli.job.remove import delete, delete_all, delete_finished
from taskserver.cli.job.wait import wait


@group(
    examples=[
        "task_server job add sample seconds=20 --wait",
        "task_server job list --status waiting",
        "task_server job explain 12",
    ]
)
def job() -> None:
    """Queues jobs, shows them, and starts, stops, moves and deletes them."""


for _command in (
    add,
    list_,
    show,
    wait,
    start,
    stop,
    kill,
    move,
    delete,
    delete_finished,
    delete_all,
    log,
    explain,
):
    job.add_command(_command)
