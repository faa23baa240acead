"""Text from tasks made fit for every database: no NUL, no lone surrogate, bounded."""

from __future__ import annotations

import re

RESULT_BYTES = 64 * 1024
ERROR_BYTES = 16 * 1024
TRACEBACK_BYTES = 64 * 1024
LINE_BYTES = 16 * 1024
DETAIL_BYTES = 1000

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str, limit: int) -> str:
    """`text` as every database takes it, with at most `limit` bytes of it in UTF-8; a cut is marked."""
    cut = text[: limit + 1]  # a character has at least one byte: what is beyond can't fit
    cut = _SURROGATE.sub("\ufffd", cut.replace("\0", ""))
    encoded = cut.encode()
    if len(encoded) <= limit and len(text) <= limit:
        return cut
    return encoded[: max(0, limit - 3)].decode(errors="ignore") + "…"


def text_of(value: object) -> str:
    """`str(value)`, also of what has no working `__str__`."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - the task's own class may raise anything
        return f"<{type(value).__name__} without a text: its __str__ raised {type(error).__name__}>"


def storable_json(value: object) -> object:
    """A JSON value with every text in it made storable, as deep as it goes."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\0", ""))
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable_json(key): storable_json(item) for key, item in value.items()}
    return value
