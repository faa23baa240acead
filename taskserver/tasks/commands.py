"""Command tasks: what `[tasks.NAME]` of the configuration makes of a job's data.

A command line is configuration, never data: values fill single arguments, nothing goes through a shell. All
arguments are texts (numbers are written out). The executors start what `command_line` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from taskserver.jobs import OnCrash
from taskserver.tasks import sentences
from taskserver.tasks.definition import Task
from taskserver.tasks.errors import ArgumentFault, InvalidArguments, InvalidTask
from taskserver.templates import Template
from taskserver.texts import mark

if TYPE_CHECKING:
    from taskserver.config import CommandSettings


def command_task(name: str, settings: CommandSettings) -> Task:
    """The task that `[tasks.NAME]` describes. Raises InvalidTask."""
    if not settings.command or not settings.command[0]:
        raise InvalidTask(name, mark("command names no program"))
    if Template.parse(settings.command[0]).names:
        reason = mark("the program {program!r} can't be a placeholder: a job's data must not choose what is run")
        raise InvalidTask(name, reason, program=settings.command[0])
    task = Task(
        name=name,
        title=settings.title,
        description=settings.description,
        max_parallel=settings.max_parallel,
        timeout=settings.timeout,
        max_attempts=settings.max_attempts,
        retry_delay=settings.retry_delay,
        retry_max_delay=settings.retry_max_delay,
        on_crash=OnCrash(settings.on_crash),
        max_crashes=settings.max_crashes,
        command=settings,
    )
    spare = set(settings.defaults) - set(task.schema()["properties"])
    if spare:
        reason = mark("defaults name {names}, which no placeholder uses")
        raise InvalidTask(name, reason, names=", ".join(sorted(spare)))
    return task


def command_line(settings: CommandSettings, values: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """argv and the configured environment with the values (from `Task.bind`) in place.

    Each argument of the template gives exactly one argument of the command.
    """
    argv = [Template.parse(argument).fill(values) for argument in settings.command]
    return argv, {name: Template.parse(value).fill(values) for name, value in settings.env.items()}


class CommandArguments:
    """Reads the arguments of one command. See `taskserver.tasks.definition.Arguments`."""

    def __init__(self, name: str, title: str, settings: CommandSettings) -> None:
        self._name = name
        self._settings = settings
        templates = [*settings.command, *settings.env.values(), title]
        self._names = list(dict.fromkeys(name for text in templates for name in Template.parse(text).names))

    def validate(self, data: Any) -> dict[str, Any]:
        given = self._read(data)
        faults = [*self._dashes({**self._settings.defaults, **given})]
        if faults:
            raise InvalidArguments(self._name, faults)
        return dict(given)

    def bind(self, data: Any) -> dict[str, Any]:
        return {**self._settings.defaults, **self.validate(data)}

    def coerce(self, words: dict[str, str]) -> dict[str, Any]:
        return dict(words)

    def schema(self) -> dict[str, Any]:
        leading = self._leading()
        properties: dict[str, Any] = {
            name: {
                "type": ["string", "number"],
                "pattern": sentences.NO_DASH_PATTERN if name in leading else sentences.NO_NUL_PATTERN,
            }
            for name in self._names
        }
        for name, value in self._settings.defaults.items():
            properties.setdefault(name, {})["default"] = value
        properties = {name: properties[name] for name in self._names}
        required = [name for name in self._names if name not in self._settings.defaults]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def defaults(self) -> dict[str, Any]:
        return dict(self._settings.defaults)

    def _read(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            raise InvalidArguments(self._name, [sentences.no_object(data)])
        needed = (name for name in self._names if name not in self._settings.defaults)
        faults = [sentences.missing(name) for name in needed if name not in data]
        faults += [sentences.unknown(str(name), self._names) for name in data if name not in self._names]
        faults += [fault for name in self._names if name in data for fault in _faults(name, data[name])]
        if faults:
            raise InvalidArguments(self._name, faults)
        return {name: str(value) for name, value in data.items()}

    def _leading(self) -> set[str]:
        """The placeholders that begin an argument, which the command may take for an option."""
        names: set[str] = set()
        for argument in self._settings.command[1:]:
            if argument == "--":
                break
            leading = Template.parse(argument).leading
            if leading is not None:
                names.add(leading)
        return names

    def _dashes(self, values: Mapping[str, str]) -> Iterable[ArgumentFault]:
        """A value must not become an option: refused where it begins an argument, unless "--" stands before."""
        named: set[str] = set()
        for argument in self._settings.command[1:]:
            if argument == "--":
                return
            template = Template.parse(argument)
            if argument.startswith("-") or not template.fill(values).startswith("-"):
                continue
            name = template.names[0]
            if name in named:
                continue
            named.add(name)
            yield ArgumentFault(name, sentences.NO_DASH, {"value": sentences.shown(values[name], name)})


def _faults(name: str, value: Any) -> Iterable[ArgumentFault]:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        yield ArgumentFault(
            name, mark("must be a text or a number, not {value}"), {"value": sentences.shown(value, name)}
        )
    elif isinstance(value, float) and value - value != 0:
        yield ArgumentFault(name, sentences.FINITE, {"value": value})
    elif isinstance(value, str) and "\0" in value:
        yield ArgumentFault(name, sentences.NO_NUL)
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield ArgumentFault(name, mark("contains half a character (a lone surrogate)"))
