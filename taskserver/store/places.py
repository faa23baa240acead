"""Places in a list, as one word for an address: opaque to whoever keeps it, not believed when it comes back."""

from __future__ import annotations

import base64
import json
from typing import Any

from taskserver.store.errors import PageGone


def word_of(*parts: Any) -> str:
    """`parts` are JSON values."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def parts_of(word: str) -> list[Any]:
    """The parts that were written. Raises PageGone for a word that is none of ours."""
    try:
        parts = json.loads(base64.b64decode(word + "=" * (-len(word) % 4), b"-_", validate=True))
    except (ValueError, RecursionError):
        raise PageGone() from None
    if not isinstance(parts, list):
        raise PageGone()
    return parts
