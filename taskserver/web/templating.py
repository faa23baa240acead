"""Templates: Jinja2 with everything escaped, the texts of the catalogue, and the words that pages share.

`ui` in a template are the macros of `ui.html`. A part is a block whose name begins with `part_`: it can be asked
for alone, to bring a page up to date in place.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from taskserver.texts import LANGUAGES, language, plural, translate
from taskserver.web import moments
from taskserver.web.scope.principal import ROLE_WORDS
from taskserver.words import status_word

PART = "part_"
TEMPLATES = Path(__file__).parent / "templates"
BASE = "base.html"


class Templates:
    """Renders pages and parts of them. Threads may share it."""

    def __init__(self) -> None:
        self._environment = environment()

    def page(self, name: str, values: dict[str, Any]) -> str:
        return self._environment.get_template(name).render(values)

    def part(self, name: str, part: str, values: dict[str, Any]) -> str | None:
        """One part of the page; None if the page has it not."""
        block = self._block(name, part)
        if block is None:
            return None
        return "".join(block(self._environment.get_template(name).new_context(values)))

    def _block(self, name: str, part: str) -> Any:
        if not part.startswith(PART):
            return None
        for template in (name, BASE):
            block = self._environment.get_template(template).blocks.get(part)
            if block is not None:
                return block
        return None


@cache
def environment() -> Environment:
    """The one environment: templates are compiled once in a process. Tests look through them with it, too."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "_": translate,
        "plural": plural,
        "language": language,
        "languages": LANGUAGES,
        "zone_name": moments.zone_name,
    }
    made.filters |= {
        "local": moments.local,
        "machine": moments.machine,
        "span": moments.span,
        "ago": moments.ago,
        "status_word": status_word,
        "role_word": role_word,
        "pretty_json": pretty_json,
        "with_code": with_code,
    }
    made.globals["ui"] = made.get_template("ui.html").module
    return made


def role_word(role: Any) -> str:
    return translate(ROLE_WORDS.get(role, str(role)))


def pretty_json(value: Any) -> str:
    """JSON over several lines, for people; escaped like any text when it is shown."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def with_code(text: str) -> Markup:
    """A sentence in which `commands` stand between backticks, as all texts have them: shown as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )
