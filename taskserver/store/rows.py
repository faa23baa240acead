"""Rows as the rest of the program sees them: plain dicts, instants aware and in UTC, JSON parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from taskserver.database.schema import tasks
from taskserver.database.types import dump_json
from taskserver.jobs import Claim
from taskserver.redaction import redacted
from taskserver.store.errors import EmptyName, EmptyTaskName, NotJson
from taskserver.templates import Template


def as_dict(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)


def document(task: str, data: Mapping[str, Any]) -> str:
    """The JSON text of a job's data. Raises NotJson for what JSON, or UTF-8, has no form for."""
    try:
        text = dump_json(dict(data)) or ""
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(task=task, reason=error) from None
    return text


def require_name(name: str) -> None:
    """Raises EmptyName."""
    if not name.strip():
        raise EmptyName()


def require_task_name(task: str) -> None:
    """Raises EmptyTaskName: no node could ever offer such a task."""
    if not task.strip():
        raise EmptyTaskName()


OF_TASK = (tasks.c.title.label("task_title"), tasks.c.schema.label("task_schema"))
"""What `shown_title` needs of a job's task, as columns of a select."""


def shown_title(row: dict[str, Any]) -> str:
    """The job's own title, else its task's with data and defaults filled in (no secret), else the task's name.

    `row` has the columns OF_TASK too; they are taken out of it.
    """
    task_title, task_schema = row.pop("task_title"), row.pop("task_schema")
    if row["title"]:
        return str(row["title"])
    if not task_title:
        return str(row["task"])
    data = row["data"] if isinstance(row["data"], dict) else {}
    return Template.parse(task_title).fill(redacted({**defaults_of(task_schema), **data}))


def defaults_of(schema: Any) -> dict[str, Any]:
    """What a published schema says of arguments that are not given."""
    described = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(described, dict):
        return {}
    return {
        name: argument["default"]
        for name, argument in described.items()
        if isinstance(argument, dict) and "default" in argument
    }


def claim_of(row: Any) -> Claim:
    """The claim that a row of `jobs` stands for, joined with its client's name and login and its task's title."""
    return Claim(
        run_id=row.claim,
        job_id=row.id,
        client_id=row.client_id,
        client=row.client,
        login=row.login or "",
        task=row.task,
        title=shown_title(as_dict(row)),
        data=row.data,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        crashes=row.crashes,
        started_at=row.started_at,
        due_at=row.due_at,
        cron_entry_id=row.cron_entry_id,
        checkpoint=row.checkpoint,
    )
