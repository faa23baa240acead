"""Rows as the rest of the program sees them: plain dicts, instants aware and in UTC, JSON parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from taskserver.database.types import dump_json
from taskserver.jobs import Claim
from taskserver.store.errors import NotJson
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


def shown_title(row: dict[str, Any], task_title: str | None) -> str:
    """The job's own title, else its task's with the data filled in, else the task's name."""
    if row["title"]:
        return str(row["title"])
    if not task_title:
        return str(row["task"])
    data = row["data"] if isinstance(row["data"], dict) else {}
    return Template.parse(task_title).fill(data)


def claim_of(row: Any) -> Claim:
    """The claim that a row of `jobs` stands for, joined with its client's name and login and its task's title."""
    return Claim(
        run_id=row.claim,
        job_id=row.id,
        client_id=row.client_id,
        client=row.client,
        login=row.login or "",
        task=row.task,
        title=shown_title(as_dict(row), row.task_title),
        data=row.data,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        crashes=row.crashes,
        started_at=row.started_at,
        due_at=row.due_at,
        cron_entry_id=row.cron_entry_id,
        checkpoint=row.checkpoint,
    )
