"""`task list|show`: the tasks that there are, and the arguments they take.

Daemons publish their tasks in the database; those that none has published yet are looked up in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from taskserver.cli.command import group
from taskserver.cli.output import print_fields, print_json, print_table, say, span
from taskserver.cli.parameters import TaskName
from taskserver.cli.session import Session, pass_session
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.tasks import Task

Row = Mapping[str, Any]


@group(examples=["task_server task list", "task_server task show sample"])
def task() -> None:
    """Shows the tasks that jobs can be made of."""


@task.command("list", examples=["task_server task list", "task_server task list --json"])
@pass_session
def list_(session: Session) -> None:
    """Lists the tasks that daemons offer, and those of this configuration."""
    rows = known_tasks(session)
    if session.json:
        print_json(rows)
        return
    headings = [translate("Name"), translate("Arguments"), translate("Title"), translate("Description")]
    columns = (
        [row["name"], signature(row["schema"] or {}), row["title"], row["description"].partition("\n")[0]]
        for row in rows
    )
    print_table(headings, columns, nothing=translate("no tasks"))


@task.command(examples=["task_server task show sample", "task_server task show sample --json"])
@click.argument("name", type=TaskName())
@pass_session
def show(session: Session, name: str) -> None:
    """Shows a task with its arguments and limits."""
    row = next((row for row in known_tasks(session) if row["name"] == name), None)
    if row is None:
        row = _described(session.registry.get(name))
    if session.json:
        print_json(row)
        return
    print_fields(
        [
            (translate("Name"), row["name"]),
            (translate("Title"), row["title"]),
            (translate("Description"), row["description"]),
            (translate("At the same time"), row["max_parallel"]),
            (translate("Timeout"), span(row["timeout"])),
            (translate("Attempts"), row["max_attempts"]),
        ]
    )
    say("")
    headings = [translate("Argument"), translate("Type"), translate("Default"), translate("Description")]
    print_table(headings, arguments(row["schema"] or {}), nothing=translate("it takes no arguments"))


def known_tasks(session: Session) -> list[dict[str, Any]]:
    """What daemons have published; before the first has, what this configuration has."""
    published = session.store.tasks.find()
    return published or [_described(known) for known in session.registry]


def signature(schema: Row) -> str:
    """`path= [pages=1]`: the arguments in short, those with a default in brackets."""
    required = set(schema.get("required", ()))
    names = (name if name in required else f"[{name}]" for name in schema.get("properties", {}))
    return " ".join(names)


def arguments(schema: Row) -> Iterator[list[object]]:
    """Name, type, default and description of each argument."""
    required = set(schema.get("required", ()))
    for name, wanted in schema.get("properties", {}).items():
        default = (
            translate("required") if name in required else json.dumps(wanted.get("default"), ensure_ascii=False)
        )
        yield [name, type_name(wanted), default, wanted.get("description", "")]


def type_name(wanted: Row) -> str:
    """The type of an argument as its JSON schema has it, in short."""
    if "enum" in wanted:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in wanted["enum"])
    if "$ref" in wanted:
        return str(wanted["$ref"]).rpartition("/")[2]
    if branches := wanted.get("anyOf") or wanted.get("oneOf"):
        return " | ".join(type_name(branch) for branch in branches)
    named = wanted.get("type", "any")
    kind = " | ".join(named) if isinstance(named, list) else str(named)
    if kind == "array" and isinstance(wanted.get("items"), Mapping):
        return f"array of {type_name(wanted['items'])}"
    return f"{kind} ({wanted['format']})" if "format" in wanted else kind


def _described(known: Task) -> dict[str, Any]:
    return {
        "name": known.name,
        "title": known.title,
        "description": known.description,
        "schema": known.schema(),
        "max_parallel": known.max_parallel,
        "timeout": known.timeout.total_seconds() if isinstance(known.timeout, timedelta) else None,
        "max_attempts": known.max_attempts,
    }
