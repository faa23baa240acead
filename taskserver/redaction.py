"""Secrets in the data of jobs: what is shown instead of them. The one list of what a secret is called.

Pages, API and audit show data so, and so does every sentence about arguments that are wrong.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

HIDDEN = "***"

_DEEPEST = 50

_SECRET = re.compile(
    r"pass(wor[dt]|wörter|woerter|wd|phrase|code)|pwd|kennw[oö]e?rt|geheim|zugangsdaten|credential"
    r"|authori[sz]ation|secret(?!ar[iy])|token(?!i[sz])"
    r"|(api|access|private|ssh)_?key(?!board)|sess(ion)?_?ids?(?![a-z])"
    r"|(?<![a-z])(pass|auth|pin|tan|cvv|cvc|iban|bearer|jwt|cookie)s?(?![a-z])"
    r"|(?<![a-z])(api|zugangs|zugriffs)?schl(ü|ue)ssel[_0-9]*$"
)
"""Looked for in a name of lower case with a `_` between its words. Names that are part of no other word are found
within one too (`dbpassword`, `accesstokens`)."""

_MEASURED = re.compile(r"_(counts?|length|limit)$")
"""What is so many is no secret itself: `token_count`, `password_length`."""

_BETWEEN_WORDS = re.compile(r"[\s_.-]+|(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_IN_AN_ADDRESS = re.compile(r"(://[^\s/?#:@]*:)([^\s/?#]+)(@[^\s/?#@]*)")
"""`scheme://user:password@host`. None begins within another, so that long texts take no longer."""


def is_secret(key: str) -> bool:
    """Whether a value under this key is better not shown."""
    name = "_".join(_BETWEEN_WORDS.split(unicodedata.normalize("NFKC", key))).lower()
    return bool(_SECRET.search(name)) and not _MEASURED.search(name)


def redacted(value: Any, depth: int = 0) -> Any:
    """The same JSON value, with HIDDEN for whatever stands under a secret's key, and for passwords in addresses.

    Half characters, which JSON can hold and no answer can, are replaced.
    """
    if depth > _DEEPEST:
        return HIDDEN
    if isinstance(value, dict):
        return {
            whole(str(key)): HIDDEN if is_secret(str(key)) and each is not None else redacted(each, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [redacted(each, depth + 1) for each in value]
    return _IN_AN_ADDRESS.sub(rf"\1{HIDDEN}\3", whole(value)) if isinstance(value, str) else value


def with_passwords_of(original: str, text: str) -> str:
    """`text`, in which passwords of addresses are hidden, with those of `original` for the same user and host."""
    known = {(found[1], found[3]): found[2] for found in _IN_AN_ADDRESS.finditer(original)}

    def revealed(found: re.Match[str]) -> str:
        password = known.get((found[1], found[3]), HIDDEN) if found[2] == HIDDEN else found[2]
        return found[1] + password + found[3]

    return original if text == redacted(original) else _IN_AN_ADDRESS.sub(revealed, text)


def whole(text: str) -> str:
    """The text without lone surrogates: a question mark for each."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
