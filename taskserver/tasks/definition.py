"""A task as a value: its name, its limits and how its arguments are read.

Made by `@task` and from `[tasks.NAME]`; asked by whoever queues, claims, runs or shows a job. It refuses to
know how a run is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from taskserver.jobs import OnCrash
from taskserver.redaction import redacted
from taskserver.tasks.errors import InvalidTask
from taskserver.templates import Template
from taskserver.texts import mark

if TYPE_CHECKING:
    from taskserver.config import CommandSettings

TITLE_LIMIT = 500
_NAME = re.compile(r"[^\s\x00-\x1f\x7f@]{1,200}")  # @ parts task and node in the name of a lane
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


class Arguments(Protocol):
    """How one task's arguments are read. Every method but `schema` raises InvalidArguments."""

    def validate(self, data: Any) -> dict[str, Any]: ...

    def coerce(self, words: dict[str, str]) -> dict[str, Any]: ...

    def bind(self, data: Any) -> dict[str, Any]: ...

    def schema(self) -> dict[str, Any]: ...

    def defaults(self) -> dict[str, Any]: ...


@dataclass(frozen=True, eq=False)
class Task:
    """A named piece of work that can be run. Either `function` or `command` is set."""

    name: str
    title: str = ""
    description: str = ""
    max_parallel: int | None = None
    timeout: timedelta | None = None
    max_attempts: int = 1
    retry_delay: timedelta = timedelta(seconds=10)
    retry_max_delay: timedelta = timedelta(hours=1)
    on_crash: OnCrash = OnCrash.REQUEUE
    max_crashes: int = 3
    function: Callable[..., Any] | None = None
    command: CommandSettings | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            reason = mark(
                "a task's name is a text without spaces and @ of up to 200 characters, as in @task('name')"
            )
            raise InvalidTask(str(self.name), reason)
        for field, least in (("max_parallel", 1), ("max_attempts", 1), ("max_crashes", 0)):
            self._check_number(field, least)
        if self.timeout is not None and self.timeout <= timedelta(0):
            raise InvalidTask(self.name, mark("timeout must be longer than nothing"))
        if min(self.retry_delay, self.retry_max_delay) < timedelta(0):
            raise InvalidTask(self.name, mark("retry_delay and retry_max_delay can't be negative"))

    def _check_number(self, field: str, least: int) -> None:
        value = getattr(self, field)
        if value is None and field == "max_parallel":
            return
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            reason = mark("{field} must be a whole number from {least} on, not {value!r}")
            raise InvalidTask(self.name, reason, field=field, least=least, value=value)

    def validate(self, data: Any) -> dict[str, Any]:
        """The arguments as they are stored: JSON values. `data` may hold what JSON has, or the annotated types.

        Raises InvalidArguments, which names every argument that is missing, unknown or wrong.
        """
        return self._arguments.validate(data)

    def coerce(self, words: dict[str, str]) -> dict[str, Any]:
        """The words of a command line as JSON values of the annotated types; then `validate` them.

        A word that can't be turned stays as it is, an unknown name too: `validate` says what is wrong.
        """
        return self._arguments.coerce(words)

    def bind(self, data: Any) -> dict[str, Any]:
        """The keyword arguments of one call, from the stored JSON: the annotated Python types.

        For a command: every placeholder's text, defaults among them. Raises InvalidArguments.
        """
        return self._arguments.bind(data)

    def schema(self) -> dict[str, Any]:
        """The arguments as a JSON schema. Raises InvalidTask for an annotation that has none."""
        return self._arguments.schema()

    def render_title(self, data: Any) -> str:
        """The title of one job: one line, at most TITLE_LIMIT characters, no secret in it. Empty when the task has
        no title."""
        known = {**self._arguments.defaults(), **data} if isinstance(data, dict) else self._arguments.defaults()
        title = _CONTROL.sub(" ", Template.parse(self.title).fill(redacted(known)))
        return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 1] + "…"

    @property
    def place(self) -> str:
        """Where the task is declared: `file:line`, or the configuration's section."""
        if self.function is None:
            return f"[tasks.{self.name}]"
        code = getattr(self.function, "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(self.function)

    @cached_property
    def takes_context(self) -> bool:
        """Whether the function's first parameter is the Context."""
        from taskserver.tasks.signatures import takes_context

        return self.function is not None and takes_context(self.function)

    @cached_property
    def _arguments(self) -> Arguments:
        if self.command is not None:
            from taskserver.tasks.commands import CommandArguments

            return CommandArguments(self.name, self.title, self.command)
        assert self.function is not None  # noqa: S101
        from taskserver.tasks.arguments import FunctionArguments

        return FunctionArguments(self.name, self.function)
