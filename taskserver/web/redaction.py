"""Data that was shown without its secrets, edited and sent back."""

from __future__ import annotations

from typing import Any

from taskserver.redaction import HIDDEN, is_secret, redacted, with_passwords_of

__all__ = ["HIDDEN", "is_secret", "redacted", "restored"]


def restored(value: Any, original: Any) -> Any:
    """`value`, which somebody edited as `redacted` had shown it, with the secrets that they left as they were."""
    if isinstance(value, dict):
        known = original if isinstance(original, dict) else {}
        return {
            key: known[key]
            if each == HIDDEN and is_secret(str(key)) and key in known
            else restored(each, known.get(key))
            for key, each in value.items()
        }
    if isinstance(value, list):
        known_items = original if isinstance(original, list) else []
        same = len(known_items) == len(value)
        return [restored(each, known_items[at] if same else None) for at, each in enumerate(value)]
    if isinstance(value, str) and isinstance(original, str):
        return with_passwords_of(original, value)
    return value
