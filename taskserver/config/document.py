"""A configuration file once it is read: nested tables as TOML has them, with the line of every key.

The readers of both formats make one; `loading` checks it. It does not know which keys exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taskserver.config.faults import Fault, Key, WrongValue, dotted
from taskserver.config.source import Source


@dataclass
class Document:
    """`values` nests dictionaries; `lines` has the path of every key and table that the file spells out."""

    source: Source
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, key: Key) -> int | None:
        """The line of `key`, or of the nearest table around it that has one."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key[:-1]
        return None

    def rename(self, near: str, meant: str) -> None:
        """Takes the table `near`, whose name is told as a fault, as the one that was meant."""
        self.values[meant] = self.values.pop(near)
        self.lines |= {(meant, *key[1:]): line for key, line in self.lines.items() if key[0] == near}

    def report(self, key: Key, template: str, **fields: Any) -> None:
        """One more fault, at `key`."""
        self.faults.append(Fault(self.source.file, dotted(key), self.line(key), template, fields))

    def report_wrong(self, key: Key, wrong: WrongValue) -> None:
        """The value of `key`, or some parts of it, are wrong: a fault for each."""
        for part in (wrong, *wrong.also):
            at = key + part.below
            place = (self.source.file, dotted(at), self.line(at))
            self.faults.append(Fault(*place, part.template, part.fields, part.item))

    def report_file(self, template: str, *, line: int | None = None, **fields: Any) -> None:
        """One more fault, of no key."""
        self.faults.append(Fault(self.source.file, "", line, template, fields))

    def origin(self, key: Key) -> str:
        """`FILE:LINE` of a key that the file sets."""
        line = self.line(key)
        return f"{self.source.file}:{line}" if line else str(self.source.file)
