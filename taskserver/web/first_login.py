"""The one-time link that lets the first administrator in, for whoever can call the control program."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from taskserver.config import ConsoleSettings
from taskserver.store import Store
from taskserver.store.login_links import FIRST_ADMINISTRATOR
from taskserver.web.security.tokens import new_secret, secret_hash

LIFETIME = timedelta(hours=24)


def first_login_url(store: Store, settings: ConsoleSettings) -> str | None:
    """A new link, which makes earlier ones worthless; None when there is a user already."""
    if store.users.any():
        return None
    link = new_secret()
    store.login_links.make(secret_hash(link), FIRST_ADMINISTRATOR, lifetime=LIFETIME)
    return f"{base_url(settings)}/first-login?{urlencode({'link': link})}"


def base_url(settings: ConsoleSettings) -> str:
    """The address at which a browser finds the console, without a slash at its end."""
    if settings.public_url:
        return settings.public_url + settings.root_path
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{host}:{settings.port}{settings.root_path}"
