"""Secrets in the data of jobs: what is shown instead of them. The one list of what a secret is called.

Pages, API and audit show data so, and so does every sentence about arguments that are wrong.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"

_DEEPEST = 50

_SECRET = re.compile(
    r"pass(wor[dt]|wd|phrase|code)|kennwort|geheim|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|authori[sz]ation|(?<![a-z])(pass|auth|pin|tan|cvv|cvc|iban|bearer)(?![a-z])",
    re.IGNORECASE,
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret(key: str) -> bool:
    """Whether a value under this key is better not shown."""
    return bool(_SECRET.search(_WORDS.sub("_", key)))


def redacted(value: Any, depth: int = 0) -> Any:
    """The same JSON value, with HIDDEN for whatever stands under a secret's key.

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
    return whole(value) if isinstance(value, str) else value


def whole(text: str) -> str:
    """The text without lone surrogates: a question mark for each."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
