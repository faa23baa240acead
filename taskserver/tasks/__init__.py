"""What a task is: a Python function or a configured command, with a name, arguments and limits.

Authors of tasks import `task`, `Context` and the signals from here; the dispatcher, the executors and the
control program ask the `Registry`. Nothing here runs a task or touches a database. What validates arguments
(pydantic, jsonschema) is imported when the first argument is looked at.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskserver.tasks.context import Channel, Context
from taskserver.tasks.decorator import task
from taskserver.tasks.definition import Task
from taskserver.tasks.errors import (
    Fail,
    InvalidArguments,
    InvalidTask,
    NotStorable,
    Retry,
    Stopped,
    TasksNotLoaded,
    TimedOut,
    TransactionLost,
    UnknownTask,
)

if TYPE_CHECKING:
    from taskserver.tasks.registry import Registry
    from taskserver.tasks.schemas import coerce_by_schema, validate_by_schema

_HOMES = {
    "Registry": "taskserver.tasks.registry",
    "coerce_by_schema": "taskserver.tasks.schemas",
    "validate_by_schema": "taskserver.tasks.schemas",
}

__all__ = [
    "Channel",
    "Context",
    "Fail",
    "InvalidArguments",
    "InvalidTask",
    "NotStorable",
    "Registry",
    "Retry",
    "Stopped",
    "Task",
    "TasksNotLoaded",
    "TimedOut",
    "TransactionLost",
    "UnknownTask",
    "coerce_by_schema",
    "task",
    "validate_by_schema",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'taskserver.tasks' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
