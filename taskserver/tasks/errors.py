"""The signals that pass between a task and its run, and the errors about tasks that somebody has to mend.

Tasks raise `Retry` and `Fail` and are sent `Stopped` and `TimedOut`; everyone who names a task or its arguments
meets the rest. The executors alone decide what a signal means for the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from taskserver.errors import NotConfigured, NotFound, TaskServerError, UsageError, did_you_mean
from taskserver.texts import mark, translate


class Stopped(BaseException):
    """The run was asked to stop. No Exception, so that `except Exception` in a task lets it pass."""

    def __init__(self, message: str = "asked to stop") -> None:
        super().__init__(message)


class TimedOut(Stopped):
    """The run took longer than its task's timeout."""

    def __init__(self, message: str = "out of time") -> None:
        super().__init__(message)


class Retry(Exception):
    """Raised by a task that wants to be run again, while attempts remain: `after` so long, else by its policy."""

    def __init__(self, message: str = "", after: float | timedelta | None = None) -> None:
        super().__init__(message)
        self.after = timedelta(seconds=after) if isinstance(after, int | float) else after


class Fail(Exception):
    """Raised by a task that has failed for good: no further attempt."""


class InvalidTask(TaskServerError):
    """A task is declared in a way that can't work; `task` is its name, `reason` one sentence."""

    text = mark("task {task!r}: {reason}")

    def __init__(self, name: str, reason: str, /, **fields: Any) -> None:
        self.name = name
        self._reason = reason, fields
        super().__init__(task=name, reason=reason.format(**fields) if fields else reason)

    def message(self) -> str:
        reason, fields = self._reason
        return translate(self.text).format(task=self.name, reason=translate(reason, **fields))


class UnknownTask(NotFound):
    """Nothing is registered under this name."""

    text = mark("no task is registered as {task!r}{hint}")

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(task=name, hint=did_you_mean(name, known))


class NotStorable(TaskServerError):
    """What a task wants to keep is no JSON."""

    text = mark("the {what} can't be kept as JSON: {reason}")


class TransactionLost(TaskServerError):
    """A block of ctx.transaction() failed, so nothing written in this run's transaction can be kept."""

    text = mark("an earlier block of ctx.transaction() failed, so everything written in it was rolled back")


@dataclass(frozen=True)
class ArgumentFault:
    """What is wrong with one argument. `text` is one sentence for the catalogue, `fields` fill it."""

    argument: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        sentence = self.text.format(**self.fields) if self.fields else self.text
        return f"{self.argument}: {sentence}" if self.argument else sentence

    def sentence(self) -> str:
        """What is wrong, without the argument's name."""
        return translate(self.text, **self.fields)

    def message(self) -> str:
        return f"{self.argument}: {self.sentence()}" if self.argument else self.sentence()


class InvalidArguments(UsageError):
    """Arguments that the task does not take. `faults` holds every one."""

    text = mark("wrong arguments for task {task!r}: {faults}")

    def __init__(self, name: str, faults: Sequence[ArgumentFault]) -> None:
        self.name = name
        self.faults = tuple(faults)
        super().__init__(task=name, faults="; ".join(map(str, faults)))

    def message(self) -> str:
        faults = "; ".join(fault.message() for fault in self.faults)
        return translate(self.text).format(task=self.name, faults=faults)


@dataclass(frozen=True)
class LoadFault:
    """Why one module or one task could not be loaded: `source` is the module or `[tasks.NAME]`."""

    source: str
    text: str
    place: str = ""
    """`file:line` where it went wrong, when known."""

    def __str__(self) -> str:
        return f"{self.source}: {self.text}" + (f" ({self.place})" if self.place else "")


class TasksNotLoaded(NotConfigured):
    """Modules or command tasks of the configuration that can't be used. `faults` holds every one."""

    text = mark("tasks can't be loaded:{faults}")

    def __init__(self, faults: Sequence[LoadFault]) -> None:
        self.faults = tuple(faults)
        joined = f" {faults[0]}" if len(faults) == 1 else "".join(f"\n  {fault}" for fault in faults)
        super().__init__(faults=joined)
