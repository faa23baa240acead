"""Reads a TOML file into a `Document`. The grammar is the standard library's."""

from __future__ import annotations

import re
import tomllib

from taskserver.config.document import Document
from taskserver.config.source import Source
from taskserver.config.toml_lines import key_lines, repeated_key
from taskserver.texts import mark

_HEADER = re.compile(r"^[ \t]*\[[ \t]*([A-Za-z0-9_-]+)[ \t]*\]", re.MULTILINE)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def read_toml(source: Source) -> Document:
    """The document; with faults and without values when the file is no UTF-8 or no TOML."""
    document = Document(source)
    try:
        text = source.content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.content.count(b"\n", 0, error.start) + 1
        byte = f"0x{source.content[error.start]:02X}"
        document.report_file(mark("is not UTF-8: byte {byte}; save the file as UTF-8"), line=line, byte=byte)
        return document
    try:
        document.values = tomllib.loads(text)
    except RecursionError:
        document.report_file(mark("is nested too deeply"))
        return document
    except ValueError as error:
        _report_syntax(document, text, str(error))
        _report_near_server(document, text)
        return document
    document.lines = key_lines(text.replace("\r\n", "\n"))
    return document


def _report_syntax(document: Document, text: str, reason: str) -> None:
    place = _PLACE.search(reason)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1 if place else None
    reason = _PLACE.sub("", reason)
    if reason == "Cannot overwrite a value":
        until = int(place[1]) if place and place[1] else None
        if again := repeated_key(text.replace("\r\n", "\n"), until):
            key, line, first = again
            document.report_file(
                mark("is not valid TOML: {key} is set already in line {first}; remove one of the two"),
                line=line,
                key=".".join(key),
                first=first,
            )
            return
    document.report_file(mark("is not valid TOML: {reason}"), line=line, reason=reason)


def _report_near_server(document: Document, text: str) -> None:
    """[task-server] for [task_server] is told also where nothing else of the file can be understood."""
    from taskserver.config.structure import SERVER, looks_like, report_missing_server

    names = [(found[1], text.count("\n", 0, found.start()) + 1) for found in _HEADER.finditer(text)]
    if not any(name == SERVER for name, _ in names) and any(looks_like(name, SERVER) for name, _ in names):
        report_missing_server(document, names)
