"""Placeholders in the arguments of command tasks: `{name}`, with `{{` and `}}` for braces.

Configuration checks them; the executor fills them in. Nothing but plain names is understood: no formats, no
attributes, no indexes, so that a value can never reach into the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from taskserver.config.faults import WrongValue, shown
from taskserver.texts import mark

_TOKENS = re.compile(r"(\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_]*\}|[{}])")
_BRACES = {"{{": "{", "}}": "}"}


@dataclass(frozen=True)
class Template:
    """One argument: literal texts and placeholder names in turn, literals at the even places."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises WrongValue, which quotes the argument, for a brace that belongs to no placeholder."""
        parts = [""]
        for token in _TOKENS.split(text):
            if token in ("{", "}"):
                raise WrongValue(_MALFORMED, argument=shown(text))
            if len(token) > 2 and token[0] == "{" and token[-1] == "}" and _TOKENS.fullmatch(token):
                parts += [token[1:-1], ""]
            else:
                parts[-1] += _BRACES.get(token, token)
        return cls(tuple(parts))

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders in their order."""
        return self.parts[1::2]

    @property
    def alone(self) -> bool:
        """Whether the argument is one placeholder and nothing else."""
        return len(self.parts) == 3 and not self.parts[0] and not self.parts[2]

    def fill(self, values: Mapping[str, str]) -> str:
        """The argument with its values. Raises KeyError for a placeholder without one."""
        return "".join(values[part] if place % 2 else part for place, part in enumerate(self.parts))


_MALFORMED = mark(
    "the text {argument} has a brace that belongs to no placeholder; a placeholder is a name in braces as in "
    "{{path}}, a brace itself is written twice"
)
