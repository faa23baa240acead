"""The manual pages task_server(8) and taskserver.toml(5), in English and German.

Made from the texts that `--help` and the commented configuration show, so that they can't contradict them.
`man` prints them, `install` puts them where man(1) looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import taskserver
from taskserver.cli.manual.roff import Roff
from taskserver.texts import LANGUAGES, language, mark, translate, use_language

DATE = "2026-11-29"
"""When the text was last looked over as a whole."""

SECTIONS = MappingProxyType({"task_server": 8, "taskserver.toml": 5})
_MANUALS = MappingProxyType({8: mark("System administration"), 5: mark("File formats")})


@dataclass(frozen=True, slots=True)
class Page:
    """One page in one language. `folder` is relative to a manual's root, as /usr/local/share/man."""

    folder: str
    file: str
    text: str


def page(name: str) -> str:
    """The source of a page, one of SECTIONS, in the language in use."""
    section = SECTIONS[name]
    roff = Roff(
        name.upper(),
        section,
        date=DATE,
        source=f"taskserver {taskserver.__version__}",
        manual=translate(_MANUALS[section]),
    )
    if section == 8:
        from taskserver.cli.group import task_server
        from taskserver.cli.manual import program_page

        program_page.write(roff, task_server)
    else:
        from taskserver.cli.manual import configuration_page

        configuration_page.write(roff)
    return str(roff)


@cache
def all_pages() -> tuple[Page, ...]:
    """Every page in every language."""
    pages = []
    for code in LANGUAGES:
        with _in_language(code):
            for name, section in SECTIONS.items():
                folder = f"man{section}" if code == "en" else f"{code}/man{section}"
                pages.append(Page(folder, f"{name}.{section}", page(name)))
    return tuple(pages)


@contextmanager
def _in_language(code: str) -> Iterator[None]:
    before = language()
    use_language(code)
    try:
        yield
    finally:
        use_language(before)
