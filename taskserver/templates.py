"""Texts with placeholders: `{name}`, with `{{` and `}}` for braces. Titles of tasks, and command lines.

What fills a template is data from anyone, so nothing but plain names is understood: no formats, no attributes, no
indexes. Configuration, tasks and store read them; how the configuration refuses one is its own affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKENS = re.compile(r"(\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_]*\}|[{}])")
_BRACES = {"{{": "{", "}}": "}"}


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and placeholder names in turn, literals at the even places.

    `loose`: there is a single brace that belongs to no placeholder; filled in, it is itself.
    """

    parts: tuple[str, ...]
    loose: bool = False

    @classmethod
    def parse(cls, text: str) -> Template:
        parts, loose = [""], False
        for number, token in enumerate(_TOKENS.split(text)):
            if number % 2 and len(token) > 2:
                parts += [token[1:-1], ""]
            else:
                parts[-1] += _BRACES.get(token, token)
                loose |= token in ("{", "}")
        return cls(tuple(parts), loose)

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders in their order, each once."""
        return tuple(dict.fromkeys(self.parts[1::2]))

    @property
    def leading(self) -> str | None:
        """The placeholder with which the text begins."""
        return self.parts[1] if len(self.parts) > 1 and not self.parts[0] else None

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with the values in it, once: what a value contains is not looked at again.

        A name that has no value stays as it is.
        """
        filled = list(self.parts)
        filled[1::2] = [str(values[name]) if name in values else f"{{{name}}}" for name in self.parts[1::2]]
        return "".join(filled)
