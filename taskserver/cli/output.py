"""What the commands print: tables and fields for people, one JSON document for programs.

On a terminal tables are drawn by rich; elsewhere they are plain aligned text, without the cost of importing it.
Data goes to stdout, messages to stderr. Knows no command and no column.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from taskserver.clock import to_rfc3339
from taskserver.texts import translate
from taskserver.words import STATUS_WORDS

_STATUS_STYLES = MappingProxyType(
    {
        "running": "cyan",
        "stopping": "yellow",
        "stopped": "yellow",
        "finished": "green",
        "failed": "red",
        "lost": "red",
    }
)

_NEVER_WRAPPED = 20
"""A column up to this wide keeps its cells in one line, however narrow the terminal is."""


MOST_IN_A_CELL = 200
"""Characters. A result may have 64 KB, and a row is to be read at a glance."""


def say(text: str) -> None:
    """Data: a line or more on stdout."""
    print(text)  # noqa: T201


def note(text: str) -> None:
    """A message: a line on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def print_json(document: Any) -> None:
    """The one JSON document of a command, times in RFC 3339 in UTC."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    say(json.dumps(document, indent=2, ensure_ascii=ascii_only, default=_json_value))


def yes_no(fact: object) -> str:
    return translate("yes") if fact else translate("no")


def local_time(instant: datetime | None, zone: tzinfo | None, *, with_zone: bool = False) -> str:
    """`2026-11-22 09:00:00` in the zone (None: this machine's), with its abbreviation if wanted; "" for None."""
    if instant is None:
        return ""
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z" if with_zone else "%Y-%m-%d %H:%M:%S")


def span(duration: timedelta | float | None) -> str:
    """`0.4 s`, `2 min 5 s`, `3 h 0 min`; "" for None."""
    if duration is None:
        return ""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(progress: float | None) -> str:
    return "" if progress is None else f"{progress:.0f} %"


def printable(text: object) -> str:
    """The text without characters that would steer a terminal; tabs and line breaks stay."""
    return "".join(
        letter if letter.isprintable() or letter in "\t\n" else "\N{REPLACEMENT CHARACTER}" for letter in str(text)
    )


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, nothing: str) -> None:
    """Rows of cells under headings, or `nothing` as a message if there are none."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        note(nothing)
    elif sys.stdout.isatty():
        _draw_table(headings, cells)
    else:
        say(_aligned([list(headings), *cells]))


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """`label: value` per line, values below each other; fields without a value are left out."""
    shown = [(f"{label}:", printable(value)) for label, value in fields if value not in (None, "")]
    width = max((len(label) for label, _ in shown), default=0) + 2
    for label, value in shown:
        say(f"{label:<{width}}" + value.replace("\n", "\n" + " " * width))


def _cell(value: object) -> str:
    """One line of it, bounded: the whole is what `show` is for, and --json."""
    if value is None:
        return ""
    text = " ".join(printable(str(value)[: 2 * MOST_IN_A_CELL]).split())
    return text if len(text) <= MOST_IN_A_CELL else text[: MOST_IN_A_CELL - 1] + "…"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _draw_table(headings: Sequence[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {translate(STATUS_WORDS[status]): style for status, style in _STATUS_STYLES.items()}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    needed = 0
    for heading, *cells in zip(headings, *rows, strict=True):
        width = max(map(len, (heading, *cells)))
        table.add_column(heading, no_wrap=width <= _NEVER_WRAPPED)
        needed += min(width, _NEVER_WRAPPED) + 3
    for row in rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    Console(width=max(Console().width, needed)).print(table)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_rfc3339(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
