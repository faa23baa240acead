"""Which tables and keys there are, and what nearly is one of them.

Takes a `Document` apart into the arguments of `Settings`; everything that has no place there is a fault with a
suggestion. Values are none of its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from taskserver.config.console import ConsoleSettings
from taskserver.config.document import Document
from taskserver.config.faults import Key, dotted, nearest
from taskserver.config.models import CommandSettings, MemoryLimits, NotifyOnFailure, ServerSettings, kinds
from taskserver.texts import mark

SERVER = "task_server"
CONSOLE = "console"
NOTIFY = "notify_on_failure"
SYSTEM = "system"
TASKS = "tasks"
TABLES = (SERVER, TASKS, SYSTEM)
RETIRED = ("login", "client")
SUBTABLES = ("env", "defaults")

SERVER_KEYS = tuple(kinds(ServerSettings))
CONSOLE_KEYS = tuple(kinds(ConsoleSettings))
NOTIFY_KEYS = tuple(kinds(NotifyOnFailure))
SYSTEM_KEYS = tuple(kinds(MemoryLimits))
COMMAND_KEYS = tuple(kinds(CommandSettings))

_TASK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")


def arguments(document: Document) -> dict[str, Any]:
    """What `document` gives to `Settings`. Reports unknown tables and keys, and leaves them out."""
    _check_tables(document)
    server = _table(document, (SERVER,), document.values.get(SERVER))
    given = _known(document, (SERVER,), server, (*SERVER_KEYS, CONSOLE, NOTIFY))
    for name, keys in ((CONSOLE, CONSOLE_KEYS), (NOTIFY, NOTIFY_KEYS)):
        if name in given:
            inner = _table(document, (SERVER, name), given[name])
            given[name] = _known(document, (SERVER, name), inner, keys)
    system = _table(document, (SYSTEM,), document.values.get(SYSTEM))
    given |= _known(document, (SYSTEM,), system, SYSTEM_KEYS)
    tasks = _table(document, (TASKS,), document.values.get(TASKS))
    given[TASKS] = {
        name: _known(document, (TASKS, name), _table(document, (TASKS, name), task), COMMAND_KEYS)
        for name, task in tasks.items()
        if _is_task(document, name, task)
    }
    return given


def path_of(place: tuple[Any, ...]) -> Key:
    """The key in the file of an argument of `Settings`: ("max_parallel",) is ("task_server", "max_parallel")."""
    parts = tuple(str(part) for part in place)
    if parts[0] == TASKS:
        return parts
    return (SYSTEM, *parts) if parts[0] in SYSTEM_KEYS else (SERVER, *parts)


def looks_like(name: str, wanted: str) -> bool:
    """Whether the table `name` is `wanted`, but for case, separators or a slip of the pen."""
    return name != wanted and (
        _letters(name) == _letters(wanted) or nearest(name, [wanted], cutoff=0.8) is not None
    )


def report_missing_server(document: Document, names: Iterable[tuple[str, int | None]]) -> str | None:
    """There is no [task_server]; of `names`, the tables there are with their lines, the one that was meant."""
    for name, line in names:
        if looks_like(name, SERVER):
            text = mark("the section [task_server] is missing; did you mean it with [{name}]?")
            document.report_file(text, line=line, name=name)
            return name
    document.report_file(mark("the section [task_server] is missing; an empty one is enough"))
    return None


def report_unknown_key(document: Document, key: Key, known: Iterable[str]) -> None:
    if key[0] == SERVER and key[-1] in RETIRED:
        document.report(
            key,
            mark(
                "is no longer a key: the daemon works for every client that has a login of its own "
                "(task_server client set-login), and kivitendo refuses it for the same reason"
            ),
        )
    elif near := nearest(key[-1], known):
        document.report(key, mark("there is no such key; did you mean {near!r}?"), near=near)
    else:
        document.report(key, mark("there is no such key in [{table}]"), table=dotted(key[:-1]))


def _check_tables(document: Document) -> None:
    strangers = [name for name in document.values if name not in TABLES]
    if SERVER not in document.values:
        near = report_missing_server(document, ((name, document.line((name,))) for name in strangers))
        strangers = [name for name in strangers if name != near]
        if near is not None and isinstance(document.values[near], dict):
            document.rename(near, SERVER)
    for name in strangers:
        if not isinstance(document.values[name], dict) and name in SERVER_KEYS:
            document.report((name,), mark("stands before its section; put it below [task_server]"))
        elif meant := next((table for table in TABLES if looks_like(name, table)), None):
            document.report((name,), mark("there is no such section; did you mean [{near}]?"), near=meant)
        else:
            tables = ", ".join(f"[{table}]" for table in TABLES)
            document.report((name,), mark("there is no such section; there are {tables}"), tables=tables)


def _table(document: Document, key: Key, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None:
        document.report(key, mark("must be a section: [{table}]"), table=dotted(key))
    return {}


def _known(document: Document, table: Key, values: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    for name in values:
        if name not in known:
            report_unknown_key(document, (*table, name), known)
    return {name: value for name, value in values.items() if name in known}


def _is_task(document: Document, name: str, task: Any) -> bool:
    if not _TASK_NAME.fullmatch(name):
        document.report(
            (TASKS, name), mark("is no name for a task: letters, digits and _ . : - alone, at most 200 of them")
        )
        return False
    if isinstance(task, dict) and task and all(_is_nested(key, value) for key, value in task.items()):
        inner = f"{name}.{next(iter(task))}"
        document.report(
            (TASKS, name),
            mark('has no command; a name with a point stands in quotes: [tasks."{inner}"]'),
            inner=inner,
        )
        return False
    return True


def _is_nested(key: str, value: Any) -> bool:
    return isinstance(value, dict) and key not in SUBTABLES


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
