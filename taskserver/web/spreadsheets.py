"""CSV for spreadsheets, written row by row: no cell of it is a formula, whatever somebody has put into a text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo

from taskserver.texts import language

_FORMULA = re.compile(r"[\s\x00-\x1f\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|[\t\r\n]")
"""How a cell begins that a spreadsheet might calculate, in the wide forms of East Asian keyboards, too."""

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""

Cell = str | int | float | None


def separator() -> str:
    """As spreadsheets of the reader's language have it: German ones need the comma for decimals."""
    return ";" if language() == "de" else ","


def harmless(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet might calculate it."""
    text = text.replace("\0", "")
    return f"'{text}" if _FORMULA.match(text) else text


def written(moment: datetime | None, zone: tzinfo) -> str:
    """`2026-11-22 09:00:00`, which spreadsheets take for a time; the zone stands in the heading."""
    return "" if moment is None else moment.astimezone(zone or UTC).strftime("%Y-%m-%d %H:%M:%S")


def lines(rows: Iterable[Iterable[Cell]], *, separator: str) -> Iterator[bytes]:
    """The document in pieces of UTF-8: numbers as they are, every text quoted and harmless."""
    yield BYTE_ORDER_MARK.encode()
    for row in rows:
        text = io.StringIO()
        cells = ["" if cell is None else harmless(cell) if isinstance(cell, str) else cell for cell in row]
        if separator == ";":
            cells = [str(cell).replace(".", ",") if isinstance(cell, float) else cell for cell in cells]
        csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL).writerow(cells)
        yield text.getvalue().encode("utf-8", "replace")
