"""A task server beside one SQL database.

Applications import from here: `task` and `Context` to write tasks, `connect` to queue jobs. The names are
loaded when they are first used, so that `import taskserver` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskserver.api import Server, connect
    from taskserver.errors import TaskServerError
    from taskserver.tasks import Context, Fail, Retry, Stopped, TimedOut, task

__version__ = "0.1.0"

_HOMES = {
    "Context": "taskserver.tasks",
    "Fail": "taskserver.tasks",
    "Retry": "taskserver.tasks",
    "Server": "taskserver.api",
    "Stopped": "taskserver.tasks",
    "TaskServerError": "taskserver.errors",
    "TimedOut": "taskserver.tasks",
    "connect": "taskserver.api",
    "task": "taskserver.tasks",
}

__all__ = [
    "Context",
    "Fail",
    "Retry",
    "Server",
    "Stopped",
    "TaskServerError",
    "TimedOut",
    "__version__",
    "connect",
    "task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'taskserver' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
