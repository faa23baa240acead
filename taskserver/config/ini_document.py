"""Makes a `Document` of an INI file: our sections alone, their texts in the form that TOML would have.

Sections of other programs are left alone, whatever they hold. In ours a key or section that is there twice is a
fault, and so is a line that nobody understands. An empty value means that the key is not set.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from taskserver.config.console import ConsoleSettings
from taskserver.config.document import Document
from taskserver.config.faults import Key, WrongValue, nearest
from taskserver.config.ini_reader import Entry, Section, read_sections
from taskserver.config.kinds import Kind
from taskserver.config.models import CommandSettings, MemoryLimits, NotifyOnFailure, ServerSettings, kinds
from taskserver.config.source import Source
from taskserver.config.structure import (
    CONSOLE,
    NOTIFY,
    SERVER,
    SERVER_KEYS,
    SUBTABLES,
    SYSTEM,
    SYSTEM_KEYS,
    TASKS,
    looks_like,
    report_missing_server,
)
from taskserver.texts import mark

_MODELS: dict[Key, type[BaseModel]] = {
    (SERVER,): ServerSettings,
    (SERVER, CONSOLE): ConsoleSettings,
    (SERVER, NOTIFY): NotifyOnFailure,
    (SYSTEM,): MemoryLimits,
}


def read_ini(source: Source) -> Document:
    """The document of our sections, with the faults that lie in the writing itself."""
    document = Document(source)
    sections = read_sections(source.content)
    strangers = [section for section in sections if _table_of(section.name) is None]
    for section in sections:
        if (table := _table_of(section.name)) is not None:
            _take(document, section, table)
    if (SERVER,) not in document.lines:
        near = report_missing_server(document, ((section.name, section.line) for section in strangers))
        document.values.setdefault(SERVER, {})  # the fault is told; `structure` need not tell it again
        for section in strangers:
            if section.name == near and _meant(section) == SERVER:
                _take(document, section, (SERVER,))
        strangers = [section for section in strangers if section.name != near]
    for section in strangers:
        _check_stranger(document, section)
    return document


def _table_of(name: str) -> Key | None:
    """The table that a section's name means; None: it is not ours."""
    if name in (SERVER, SYSTEM, f"{SERVER}/{CONSOLE}", f"{SERVER}/{NOTIFY}"):
        return tuple(name.split("/"))
    first, _, rest = name.partition("/")
    if first != TASKS or not rest:
        return None
    task, _, last = rest.rpartition("/")
    return (TASKS, task, last) if task and last in SUBTABLES else (TASKS, rest)


def _take(document: Document, section: Section, table: Key) -> None:
    if table == (SYSTEM,):
        section.entries = [entry for entry in section.entries if entry.key in SYSTEM_KEYS]
    elif table in document.lines:
        text = mark("is there twice: in line {first} and in line {second}")
        document.report(table, text, first=document.lines[table], second=section.line)
    else:
        document.lines[table] = section.line
    values = document.values
    for part in table:
        values = values.setdefault(part, {})
    for entry in section.entries:
        _take_entry(document, table, entry, values)
    if table != (SYSTEM,):
        _report_strange_lines(document, section)
    for line, header in section.broken_headers:
        if table != (SYSTEM,) or _is_meant(header):
            document.report_file(mark("is no section: the name stands in brackets, alone in its line"), line=line)


def _take_entry(document: Document, table: Key, entry: Entry, values: dict[str, Any]) -> None:
    key = (*table, entry.key)
    if key in document.lines:
        text = mark("is there twice: in line {first} and in line {second}")
        document.report(key, text, first=document.lines[key], second=entry.line)
        return
    document.lines[key] = entry.line
    if not entry.is_utf8 and table != (SERVER, NOTIFY):
        document.report(key, mark("is not UTF-8; save the file as UTF-8"))
    elif entry.value:
        kind = _kind_of(table, entry.key)
        try:
            values[entry.key] = kind.read(entry.value) if kind else entry.value
        except WrongValue as wrong:
            document.report_wrong(key, wrong)
    elif len(table) < 3 and _kind_of(table, entry.key) is None:
        values[entry.key] = ""  # an unknown key is a fault, with or without a value


def _kind_of(table: Key, key: str) -> Kind | None:
    if len(table) > 2:
        return None
    model = _MODELS.get(table, CommandSettings)
    return kinds(model).get(key)


def _report_strange_lines(document: Document, section: Section) -> None:
    for line in section.strange_lines:
        document.report_file(
            mark("is no KEY = VALUE in [{section}]; a long value goes on in lines that begin with ="),
            line=line,
            section=section.name,
        )


def _check_stranger(document: Document, section: Section) -> None:
    """A section that is not ours, unless it was meant to be."""
    for line, header in section.broken_headers:
        if _is_meant(header):
            document.report_file(mark("is no section: the name stands in brackets, alone in its line"), line=line)
    if near := _meant(section):
        text = mark("there is no section [{name}]; did you mean [{near}]?")
        document.report_file(text, line=section.line, name=section.name, near=near)


def _is_meant(header: str) -> bool:
    return bool(re.search(r"task[_ -]?server|\[\s*tasks/", header, re.IGNORECASE))


def _meant(section: Section) -> str | None:
    """The section of ours that a stranger was meant to be; None: it is some other program's."""
    keys = {entry.key for entry in section.entries}
    first, slash, rest = section.name.replace(".", "/", 1).partition("/")
    if not slash:
        if looks_like(first, SERVER):
            return SERVER if any(nearest(key, SERVER_KEYS, cutoff=0.8) for key in keys) else None
        return f"{TASKS}/NAME" if (first == TASKS or looks_like(first, TASKS)) and "command" in keys else None
    if first == SERVER or looks_like(first, SERVER):
        near = nearest(rest, [CONSOLE, NOTIFY])
        return f"{SERVER}/{near}" if near else SERVER
    if (first == TASKS or looks_like(first, TASKS)) and "command" in keys:
        return f"{TASKS}/{rest}"
    return None
