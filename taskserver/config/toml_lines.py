"""In which line of a TOML file each key and table stands.

The standard library's parser does not tell. This is a light scan of a text that it has already accepted, so
there are no errors to report; at worst a key is missing from the result.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from taskserver.config.faults import Key

_DEEPEST = 8
"""Tables of ours are three deep; a key of a thousand parts must not cost a million."""

_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*(\.)?""")
_PIECE = re.compile(
    r""" "{3}(?:[^\\]|\\.)*?"{3,5} | '{3}.*?'{3,5}      # texts of several lines, also with quotes at their end
       | "(?:[^"\\\n]|\\.)*" | '[^'\n]*'                # texts of one line
       | \#[^\n]* | [\[\]{}\n] | [^"'\#\[\]{}\n]+       # comments, brackets, anything else
    """,
    re.DOTALL | re.VERBOSE,
)


def key_lines(text: str) -> dict[Key, int]:
    """The line, from 1, of every key and table that `text` spells out."""
    lines: dict[Key, int] = {}
    for table, parts, line in _statements(text):
        for depth in range(min(len(parts), _DEEPEST)):
            lines.setdefault(table + parts[: depth + 1], line)
    return lines


def repeated_key(text: str, until: int | None) -> tuple[Key, int, int] | None:
    """The key that is spelled again by the statement that ends in line `until` (None: at the end of the text).

    With its line and the one where it, or a part of it, stood first. To be asked only when the parser has said
    that there is such a key; up to there it has accepted the text.
    """
    first: dict[Key, int] = {}
    last: tuple[Key, Key, int] | None = None
    for statement in _statements(text):
        if until is not None and statement[2] > until:
            break
        if last is not None:
            table, parts, line = last
            for depth in range(min(len(parts), _DEEPEST)):
                first.setdefault(table + parts[: depth + 1], line)
        last = statement
    if last is None:
        return None
    key = last[0] + last[1]
    earlier = next((first[key[:depth]] for depth in range(len(key), 0, -1) if key[:depth] in first), None)
    return None if earlier is None else (key, last[2], earlier)


def _statements(text: str) -> Iterator[tuple[Key, Key, int]]:
    """Each header, without a table, and each assignment: the table it stands in, its key, its line from 1."""
    table: Key = ()
    place = line = 0
    while True:
        start = _end(_SKIP, text, place)
        line += text.count("\n", place, start)
        place = start
        if place >= len(text):
            return
        if text[place] == "[":
            table, place = _header(text, place)
            yield (), table, line + 1
        else:
            parts, place = _key(text, place)
            yield table, parts, line + 1
            place = _value_end(text, place)
        line += text.count("\n", start, place)


def _header(text: str, place: int) -> tuple[Key, int]:
    inside = place + (2 if text.startswith("[[", place) else 1)
    name, end = _key(text, inside)
    return name, _line_end(text, end)


def _key(text: str, place: int) -> tuple[Key, int]:
    parts: list[str] = []
    while match := _PART.match(text, place):
        place = match.end()
        parts.append(_unquoted(match[1]))
        if not match[2]:
            break
    return tuple(parts), place


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] == '"':
        return str(tomllib.loads(f"key = {part}")["key"])
    return part


def _value_end(text: str, place: int) -> int:
    depth = 0
    while match := _PIECE.match(text, place):
        piece = match[0]
        if piece in ("[", "{"):
            depth += 1
        elif piece in ("]", "}"):
            depth -= 1
        elif piece == "\n" and depth <= 0:
            break
        place = match.end()
    return place if place < len(text) and text[place] == "\n" else len(text)


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return end if end >= 0 else len(text)


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place
