"""The `@task` decorator: it describes a function and leaves it callable.

There is no global list of tasks: the description hangs on the function as `__task__`, and the registry finds it
in the modules that the configuration names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from taskserver.jobs import OnCrash
from taskserver.tasks.definition import Task
from taskserver.tasks.errors import InvalidTask
from taskserver.tasks.signatures import check_callable
from taskserver.texts import mark

Function = TypeVar("Function", bound=Callable[..., Any])


def task(
    name: str,
    *,
    title: str = "",
    description: str = "",
    max_parallel: int | None = None,
    timeout: float | timedelta | None = None,
    max_attempts: int = 1,
    retry_delay: float | timedelta = 10,
    retry_max_delay: float | timedelta = 3600,
    on_crash: str = "requeue",
    max_crashes: int = 3,
) -> Callable[[Function], Function]:
    """Make the function a task. Times are seconds or timedeltas; `title` may hold `{argument}`.

    Without a description the first line of the function's docstring is it. Raises InvalidTask.
    """
    if callable(name):
        raise InvalidTask(getattr(name, "__name__", repr(name)), mark("write @task('name') with the task's name"))

    def describe(function: Function) -> Function:
        check_callable(name, function)
        described = Task(
            name=name,
            title=title,
            description=description or _first_line(function),
            max_parallel=max_parallel,
            timeout=None if timeout is None else _duration(name, "timeout", timeout),
            max_attempts=max_attempts,
            retry_delay=_duration(name, "retry_delay", retry_delay),
            retry_max_delay=_duration(name, "retry_max_delay", retry_max_delay),
            on_crash=_on_crash(name, on_crash),
            max_crashes=max_crashes,
            function=function,
        )
        cast(Any, function).__task__ = described
        return function

    return describe


def _duration(name: str, field: str, value: float | timedelta) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=value)
    except (TypeError, ValueError, OverflowError):
        reason = mark("{field} must be seconds or a timedelta, not {value!r}")
        raise InvalidTask(name, reason, field=field, value=value) from None


def _on_crash(name: str, value: str) -> OnCrash:
    try:
        return OnCrash(value)
    except ValueError:
        reason = mark("on_crash is 'requeue' or 'fail', not {value!r}")
        raise InvalidTask(name, reason, value=value) from None


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0].strip()
