"""Reads the lines of an INI file as kivitendo writes them (Perl's Config::Std).

Sections of other programs may hold anything, so nothing is refused here: what can't be understood is noted
with its section, and whoever owns the section decides. No interpolation, no quotes, no comments after a value;
a value goes on in the following lines that begin with `=` or `:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_SEPARATOR = re.compile(r"[=:]")


@dataclass
class Entry:
    """A key with its value, as text."""

    key: str
    value: str
    line: int
    is_utf8: bool


@dataclass
class Section:
    """A section with its entries in order, duplicates included, and the lines that nobody understands."""

    name: str
    line: int
    entries: list[Entry] = field(default_factory=list)
    broken_headers: list[tuple[int, str]] = field(default_factory=list)
    strange_lines: list[int] = field(default_factory=list)


def read_sections(content: bytes) -> list[Section]:
    """Every section in order. What stands before the first is a section without a name. Never fails."""
    sections = [Section("", 0)]
    for number, line, is_utf8 in _lines(content):
        section = sections[-1]
        if line.startswith("["):
            name, closed, rest = line[1:].partition("]")
            if closed and "[" not in name and rest.strip()[:1] in ("", "#", ";"):
                sections.append(Section(name.strip(), number))
            else:
                section.broken_headers.append((number, line))
        elif line[0] in "=:":
            _continue(section, line[1:].strip(), number, is_utf8=is_utf8)
        elif separator := _SEPARATOR.search(line):
            key, value = line[: separator.start()].strip(), line[separator.end() :].strip()
            section.entries.append(Entry(key, value, number, is_utf8))
        else:
            section.strange_lines.append(number)
    return sections


def _continue(section: Section, text: str, number: int, *, is_utf8: bool) -> None:
    if not section.entries:
        section.strange_lines.append(number)
        return
    entry = section.entries[-1]
    entry.value += "\n" + text
    entry.is_utf8 = entry.is_utf8 and is_utf8


def _lines(content: bytes) -> Iterator[tuple[int, str, bool]]:
    """Number, text and whether it was UTF-8 of each line that is neither empty nor a comment."""
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            line, is_utf8 = raw.decode("utf-8"), True
        except UnicodeDecodeError:
            line, is_utf8 = raw.decode("latin-1"), False
        line = line.strip()
        if line and line[0] not in "#;":
            yield number, line, is_utf8
