"""In which line of a TOML file each key and table stands.

The standard library's parser does not tell. This is a light scan of a text that it has already accepted, so
there are no errors to report; at worst a key is missing from the result.
"""

from __future__ import annotations

import re
import tomllib

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
    table: Key = ()
    place = line = 0
    while True:
        start = _end(_SKIP, text, place)
        line += text.count("\n", place, start)
        place = start
        if place >= len(text):
            return lines
        if text[place] == "[":
            table, place = _header(text, place)
            for depth in range(min(len(table), _DEEPEST)):
                lines.setdefault(table[: depth + 1], line + 1)
        else:
            parts, place = _key(text, place)
            for depth in range(min(len(parts), _DEEPEST)):
                lines.setdefault(table + parts[: depth + 1], line + 1)
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
