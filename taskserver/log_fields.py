"""Whom a log line speaks of: job, run, task and client, as fields beside the text, and what must not be in it.

Whoever logs about a run says `extra=about(claim)`; what a task's own code logs in its slot is marked by
`speaking(claim)`. The daemon's handlers read both with `fields_of`. Nothing here knows where a log goes.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from taskserver.jobs import Claim, Report
from taskserver.redaction import HIDDEN, is_secret, redacted

_SHORTEST_SECRET = 4
"""Shorter values are no secrets, and would be found everywhere."""

_ATTRIBUTE = "about"
_present: ContextVar[Fields | None] = ContextVar("speaking", default=None)


class Fields:
    """What is known of the run that a line speaks of. `by_task`: the task's own code speaks."""

    __slots__ = ("_data", "_secrets", "by_task", "client", "job_id", "run_id", "task")

    def __init__(
        self,
        *,
        job_id: int | None = None,
        run_id: int | None = None,
        task: str = "",
        client: str = "",
        data: object = None,
        by_task: bool = False,
    ) -> None:
        self.job_id = job_id
        self.run_id = run_id
        self.task = task
        self.client = client
        self.by_task = by_task
        self._data = data
        self._secrets: list[str] | None = None

    def named(self) -> dict[str, int | str]:
        """The fields that are known, by the names that logs use."""
        found = {"job": self.job_id, "run": self.run_id, "task": self.task, "client": self.client}
        return {name: value for name, value in found.items() if value not in (None, "")}

    def masked(self, text: str) -> str:
        """`text` without the values of the job's passwords, tokens and the like, nor passwords in addresses."""
        if self._secrets is None:
            self._secrets = sorted(_secrets_in(self._data), key=len, reverse=True)
            self._data = None
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return str(redacted(text))


def about(subject: Claim | Report) -> dict[str, Any]:
    """The `extra` of a line that speaks of this run."""
    return {_ATTRIBUTE: _fields(subject)}


def about_task(task: str) -> dict[str, Any]:
    """The `extra` of a line that speaks of what queues jobs of this task."""
    return {_ATTRIBUTE: Fields(task=task)}


def about_nobody() -> dict[str, Any]:
    """The `extra` of a line that is about no run, whoever's thread it is said in."""
    return {_ATTRIBUTE: Fields()}


def speaking(claim: Claim) -> None:
    """From now on, what this context logs without saying whom it is about is about this run."""
    _present.set(_fields(claim, by_task=True))


def said_by_task(claim: Claim) -> dict[str, Any]:
    """The `extra` of a line that the task's own code says, from whatever thread."""
    return {_ATTRIBUTE: _fields(claim, by_task=True)}


def fields_of(record: logging.LogRecord) -> Fields | None:
    """Whom the record is about, None for nobody. To be asked in the thread that logs it."""
    fields = getattr(record, _ATTRIBUTE, None)
    return fields if isinstance(fields, Fields) else _present.get()


def _fields(subject: Claim | Report, *, by_task: bool = False) -> Fields:
    if isinstance(subject, Report):
        return Fields(job_id=subject.job_id, run_id=subject.run_id, by_task=by_task)
    return Fields(
        job_id=subject.job_id,
        run_id=subject.run_id,
        task=subject.task,
        client=subject.client,
        data=subject.data,
        by_task=by_task,
    )


def _secrets_in(data: object, *, secret: bool = False) -> set[str]:
    """The values below keys that name a secret, in the forms in which a text may show them."""
    if isinstance(data, dict):
        parts = [(value, secret or is_secret(str(key))) for key, value in data.items()]
    elif isinstance(data, list):
        parts = [(value, secret) for value in data]
    elif secret and data is not None and not isinstance(data, bool):
        return {text for text in (str(data), repr(str(data))[1:-1]) if len(text) >= _SHORTEST_SECRET}
    else:
        return set()
    return set().union(*(_secrets_in(value, secret=marked) for value, marked in parts))
