"""Whether the extra `console` is installed. Imports nothing of it: the daemon and every command may ask."""

from __future__ import annotations

from importlib.util import find_spec

from taskserver.errors import EXIT_NOT_INSTALLED, TaskServerError
from taskserver.extras import installing
from taskserver.texts import mark

NEEDED = ("argon2", "fastapi", "jinja2", "prometheus_client", "python_multipart", "uvicorn")
"""Modules of the extra; what they need themselves came with them."""


class ConsoleMissing(TaskServerError):
    text = mark("the console needs the Python package {package}: install it with: {command}")
    exit_code = EXIT_NOT_INSTALLED


def require_packages() -> None:
    """Raises ConsoleMissing where the extra was not installed."""
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing is not None:
        raise ConsoleMissing(package=missing, command=installing("console"))
