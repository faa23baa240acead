"""The language of texts for people: English, or German from the catalogue in `locale/`.

Everything that a person reads passes through `translate`; keys, logs and exit codes never do. Marking a text
for the catalogue without translating it yet (class attributes, tables) is done with `mark`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gettext

LANGUAGES = ("en", "de")

_language: ContextVar[str] = ContextVar("language", default="en")


def use_language(language: str) -> None:
    """Texts of this context are from now on in `language`, one of LANGUAGES; any other means English."""
    _language.set(language if language in LANGUAGES else "en")


def language() -> str:
    """The language in use: "en" or "de"."""
    return _language.get()


def language_of_locale(environment: Mapping[str, str] | None = None) -> str:
    """The language that the locale variables ask for, as gettext(3) ranks them: LC_ALL, LC_MESSAGES, LANG.

    LANGUAGE, a list separated by colons, comes first unless the locale is C.
    """
    environment = os.environ if environment is None else environment
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return "en"
    wanted = [*environment.get("LANGUAGE", "").split(":"), locale]
    for name in wanted:
        if name[:2] in LANGUAGES:
            return name[:2]
    return "en"


def mark(text: str) -> str:
    """The same text: it is translated later, where it is shown."""
    return text


SYSTEM_WORDS = frozenset(
    {
        mark("Permission denied"),
        mark("Operation not permitted"),
        mark("No such file or directory"),
        mark("Not a directory"),
        mark("File exists"),
        mark("Directory not empty"),
        mark("Read-only file system"),
        mark("No space left on device"),
        mark("Disk quota exceeded"),
        mark("File too large"),
        mark("File name too long"),
        mark("Too many open files"),
        mark("Input/output error"),
        mark("Cannot allocate memory"),
        mark("Connection refused"),
        mark("Broken pipe"),
        mark("Bad file descriptor"),
        mark("Text file busy"),
    }
)
"""How the operating system tells a fault; this process never asks the C library for another language."""

_PLAINER = {
    "Is a directory": mark("it is a folder"),
    "Too many levels of symbolic links": mark("a symbolic link stands in its place, or too many lead there"),
    "No such device or address": mark("what stands in its place is not a plain file"),
}
"""For its words that tell a programmer alone what was found."""


def system_words(words: str | None) -> str:
    """The words of an `OSError.strerror` in the language in use; any others as they are."""
    words = _PLAINER.get(words or "", words or "")
    return translate(words) if words in SYSTEM_WORDS or words in _PLAINER.values() else words


def translate(text: str, /, **fields: Any) -> str:
    """`text` in the language in use, with `{name}` replaced by the fields given."""
    if text and _language.get() == "de":
        text = _german().gettext(text)
    return text.format(**fields) if fields else text


def plural(one: str, many: str, count: int, /, **fields: Any) -> str:
    """`one` or `many` as the language has it for `count`, which both may name as `{count}`."""
    text = one if count == 1 else many
    if _language.get() == "de":
        text = _german().ngettext(one, many, count)
    return text.format(count=count, **fields)


@lru_cache(maxsize=1)
def _german() -> gettext.NullTranslations:
    import gettext

    return gettext.translation(
        "taskserver", localedir=Path(__file__).parent / "locale", languages=["de"], fallback=True
    )
