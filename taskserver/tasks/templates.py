"""Plain `{name}` substitution for titles and command lines.

No format specifications, no attribute or index access: what fills a template is data from anyone. A doubled
brace `{{` or `}}` stands for one; a single brace that belongs to no placeholder is itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")


def placeholders(template: str) -> list[str]:
    """The names in a template, in order, each once."""
    names = (match["name"] for match in _PLACEHOLDER.finditer(template))
    return list(dict.fromkeys(name for name in names if name))


def render(template: str, values: Mapping[str, Any]) -> str:
    """The template with the values in it, once: what a value contains is not looked at again.

    A name that has no value stays as it is.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0][0]
        return str(values[name]) if name in values else match[0]

    return _PLACEHOLDER.sub(replacement, template)
