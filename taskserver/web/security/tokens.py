"""Random secrets of the console: API tokens, session ids, login links; and the hashes under which they are kept.

They are 256 bits of chance, so one round of SHA-256 is enough: nobody guesses them, whatever the effort.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TypeGuard

PREFIX = "tsk_"
_SHOWN = len(PREFIX) + 6


@dataclass(frozen=True, slots=True)
class NewToken:
    """`text` is the token, shown once; `prefix` is what people recognise it by."""

    text: str
    hash: str
    prefix: str


def new_token() -> NewToken:
    text = PREFIX + secrets.token_urlsafe(32)
    return NewToken(text, secret_hash(text), text[:_SHOWN])


def new_secret() -> str:
    """For a cookie or a link."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def is_offered(authorization: str | None) -> TypeGuard[str]:
    """Whether a request means to come in by a token. A proxy's own login (Basic) is no affair of ours."""
    return (authorization or "").partition(" ")[0].lower() == "bearer"


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header; None: there is none of ours."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith(PREFIX) or len(token) > 200:
        return None
    return token
