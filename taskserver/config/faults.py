"""What can be wrong with a configuration: one `Fault` each, all of them in one `ConfigurationError`.

Every module of this package reports through these. A fault keeps its sentence and its fields apart, so that the
log has it in English and the operator in their own language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskserver.errors import NotConfigured
from taskserver.texts import mark, system_words, translate

if TYPE_CHECKING:
    from taskserver.config.models import Settings

Key = tuple[str, ...]
"""The path of a key or table in a TOML file: ("tasks", "ocr", "timeout")."""

_LONGEST_VALUE = 60
_ITEM = mark(" (item {number})")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, where it is, and what would be right.

    `line` counts from 1; None where no line is to blame. `key` is empty where the file as a whole is.
    """

    file: Path
    key: str
    line: int | None
    template: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    item: int | None = None
    """The item at fault, from 1, where the value is a list."""

    @property
    def text(self) -> str:
        """What is wrong, in English, without the place."""
        return self.template.format(**self.fields)

    def message(self) -> str:
        """`FILE:LINE: KEY: what is wrong` in the language in use."""
        item = translate(_ITEM).format(number=self.item) if self.item else ""
        reason = self.fields.get("reason")
        fields = {**self.fields, "reason": system_words(reason)} if isinstance(reason, str) else self.fields
        return self._placed(translate(self.template).format(**fields), item)

    def __str__(self) -> str:
        return self._placed(self.text, _ITEM.format(number=self.item) if self.item else "")

    def _placed(self, text: str, item: str) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.key}{item}: {text}" if self.key else f"{place}: {text}"


class ConfigurationError(NotConfigured):
    """A configuration that can't be used, with every fault found: exit code 6."""

    text = mark("{faults}")

    def __init__(self, faults: Iterable[Fault], rest: Settings | None = None) -> None:
        """`rest`: the settings with defaults for what is at fault. For whoever looks for more; not to work by."""
        self.rest = rest
        self.faults = sorted(faults, key=lambda fault: (fault.line or 1 << 31, fault.key))
        super().__init__(faults="\n".join(str(fault) for fault in self.faults))

    def message(self) -> str:
        return "\n".join(fault.message() for fault in self.faults)


class ConfigurationMissing(NotConfigured):
    """There is no configuration file where one was looked for: exit code 6."""

    text = mark("there is no configuration file; looked for {places}")


class WrongValue(ValueError):
    """A value that its key can't take. `template` says what would be right; `fields` fill it."""

    def __init__(self, template: str, /, **fields: Any) -> None:
        self.template = template
        self.fields = fields
        self.item: int | None = None
        """The item at fault, from 1, where the value is a list."""
        self.below: Key = ()
        """The key at fault below the one that has the value, where this is a table."""
        self.also: list[WrongValue] = []
        """Further parts of the same list or table that are wrong."""
        super().__init__(template.format(**fields))


def dotted(key: Key) -> str:
    """`tasks."invoices.create".timeout`: the key as TOML writes it."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part) for part in key)


def shown(value: object) -> str:
    """A value for a sentence: as JSON has it, on one line and bounded."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # an integer of more than 4300 digits; a bottomless table
        return "…"
    text = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that `name` was probably meant to be, whatever its case; None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(name.lower().replace("-", "_"), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None
