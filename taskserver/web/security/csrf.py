"""Requests that another site makes a browser send: refused by where they come from and by a token they can't know.

The token is derived from the cookie's secret, so nothing is kept. A browser that hides the origin (as it does for
forms under `Referrer-Policy: no-referrer`) is judged by Sec-Fetch-Site, and by the token always.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

FIELD = "csrf_token"
HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def token_for(secret: str) -> str:
    """The token of the session or visit whose cookie holds `secret`."""
    return hmac.new(secret.encode("utf-8", "replace"), b"taskserver csrf token", hashlib.sha256).hexdigest()


def is_token(secret: str, given: str | None) -> bool:
    return given is not None and hmac.compare_digest(token_for(secret).encode(), given.encode("utf-8", "replace"))


def comes_from_elsewhere(headers: Mapping[str, str], own_hosts: Collection[str]) -> bool:
    """Whether the browser says that another site made it send this. `own_hosts`: names with their ports."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    if origin == "null":
        return "sec-fetch-site" not in headers and "referer" in headers
    try:
        return urlsplit(origin).netloc.lower() not in own_hosts
    except ValueError:
        return True
