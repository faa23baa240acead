"""The reference of all keys, made from `models`: the JSON schema and the commented file that ships in `etc/`."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import tomli_w
from pydantic import BaseModel

from taskserver.config.console import ConsoleSettings
from taskserver.config.models import (
    CommandSettings,
    MemoryLimits,
    NotifyOnFailure,
    ServerSettings,
    kinds,
)
from taskserver.config.structure import CONSOLE, NOTIFY, SERVER, SYSTEM, TASKS

_MACHINE = {"node_id": "erp1", "max_parallel": 4, "time_zone": "Europe/Berlin"}
"""Keys of the daemon whose default depends on the machine, with the value that the file shows for them."""
_EXAMPLE_COMMAND = ["/usr/local/bin/ocr", "--", "{path}"]
_FOLLOWING = {"log_file": "users/taskserver.log"}
"""Keys whose default follows another key."""

_HEAD = """\
Configuration of the task server.

Every key is here with its default and a # before it: remove the # to change it. As it stands, the file runs.
Paths that are relative begin at the installation directory. `task_server check` finds every mistake,
`task_server config show --origin` tells which settings are in force and where each comes from."""
_TASK_HEAD = """\
A command task: a program that jobs of this name run. One section each, as many as there are programs; a name
with a point in it stands in quotes: [tasks."invoices.print"]."""


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, with a description for every key."""
    server = _object(ServerSettings)
    server["properties"][CONSOLE] = _object(ConsoleSettings)
    server["properties"][NOTIFY] = _object(NotifyOnFailure)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the task server",
        "type": "object",
        "properties": {
            SERVER: server,
            SYSTEM: _object(MemoryLimits),
            TASKS: {"type": "object", "additionalProperties": _object(CommandSettings)},
        },
        "required": [SERVER],
        "additionalProperties": False,
    }


def example() -> str:
    """The text of `etc/taskserver.toml`: every key with its explanation and its default."""
    task = f"{TASKS}.ocr"
    parts = [
        _comment(_HEAD),
        f"[{SERVER}]",
        *_entries(ServerSettings),
        _comment(ConsoleSettings.__doc__ or ""),
        f"# [{SERVER}.{CONSOLE}]",
        *_entries(ConsoleSettings),
        _comment(NotifyOnFailure.__doc__ or ""),
        f"# [{SERVER}.{NOTIFY}]",
        *_entries(NotifyOnFailure),
        _comment(MemoryLimits.__doc__ or ""),
        f"# [{SYSTEM}]",
        *_entries(MemoryLimits),
        _comment(_TASK_HEAD),
        f"# [{task}]",
        *_entries(CommandSettings),
    ]
    return "\n\n".join(parts) + "\n"


class Entry(NamedTuple):
    """A key as a configuration file has it: its value is the default, or where there is none an example."""

    name: str
    value: str
    description: str
    has_default: bool


def entries(model: type[BaseModel]) -> list[Entry]:
    """Every key of a table, in order."""
    return [
        Entry(
            name,
            _value(model, name),
            model.model_fields[name].description or "",
            has_default=not model.model_fields[name].is_required() and not _is_machines(model, name),
        )
        for name in kinds(model)
    ]


def _object(model: type[BaseModel]) -> dict[str, Any]:
    properties = {}
    required = []
    for name, kind in kinds(model).items():
        field = model.model_fields[name]
        properties[name] = {**kind.schema(), "description": field.description}
        if field.is_required():
            required.append(name)
        elif not _is_machines(model, name) and (default := _default(model, name)) is not None:
            properties[name]["default"] = default
    table: dict[str, Any] = {"type": "object", "description": model.__doc__, "properties": properties}
    return {**table, "additionalProperties": False, **({"required": required} if required else {})}


def _is_machines(model: type[BaseModel], name: str) -> bool:
    return model is ServerSettings and name in _MACHINE


def _default(model: type[BaseModel], name: str) -> Any:
    """The default as the file has it; what is not set is an empty text."""
    if name in _FOLLOWING:
        return _FOLLOWING[name]
    field = model.model_fields[name]
    written = kinds(model)[name].write(field.get_default(call_default_factory=True))
    return "" if written is None else written


def _entries(model: type[BaseModel]) -> list[str]:
    return [f"{_comment(entry.description)}\n# {entry.name} = {entry.value}" for entry in entries(model)]


def _value(model: type[BaseModel], name: str) -> str:
    if model.model_fields[name].is_required():
        value: Any = _EXAMPLE_COMMAND
    else:
        value = _MACHINE[name] if _is_machines(model, name) else _default(model, name)
    return _inline(value)


def _inline(value: Any) -> str:
    """A value on one line, which tomli-w has for lists on several."""
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if value == {}:
        return "{}"
    return tomli_w.dumps({"key": value}).removeprefix("key = ").rstrip("\n")


def _comment(text: str) -> str:
    paragraphs = [textwrap.fill(part, 100) if part else "" for part in text.split("\n\n")]
    return "\n".join(f"# {line}".rstrip() for line in "\n\n".join(paragraphs).split("\n"))
