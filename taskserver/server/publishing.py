"""What a node tells other programs about its tasks: the rows of `tasks`. Used by the server."""

from __future__ import annotations

from typing import Any

from taskserver.tasks import Task


def published(task: Task) -> dict[str, Any]:
    """The row of `tasks` that tells other programs about a task."""
    return {
        "name": task.name,
        "title": task.title,
        "description": task.description,
        "schema": task.schema(),
        "max_parallel": task.max_parallel,
        "timeout": task.timeout.total_seconds() if task.timeout else None,
        "max_attempts": task.max_attempts,
        "max_crashes": task.max_crashes,
        "on_crash": str(task.on_crash),
        "kind": "command" if task.command is not None else "python",
    }
