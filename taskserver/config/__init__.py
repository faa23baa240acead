"""The settings of one daemon: found, read from TOML or INI, checked all at once, shown.

`peek` and `find_config_file` need the standard library only, so that `status` and `stop` start quickly and work
beside a broken file; everything else is loaded when it is first used. This package reads files and looks at
their permissions; it opens no database, imports no task and changes no identity.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskserver.config.console import ConsoleSettings
    from taskserver.config.faults import ConfigurationError, ConfigurationMissing, Fault
    from taskserver.config.finding import find_config_file
    from taskserver.config.loading import load
    from taskserver.config.models import CommandSettings, NotifyOnFailure, Settings
    from taskserver.config.peeking import Peek, peek
    from taskserver.config.reference import example, schema
    from taskserver.config.showing import convert, effective, show

_HOMES = {
    "CommandSettings": "models",
    "ConfigurationError": "faults",
    "ConfigurationMissing": "faults",
    "ConsoleSettings": "console",
    "Fault": "faults",
    "NotifyOnFailure": "models",
    "Peek": "peeking",
    "Settings": "models",
    "convert": "showing",
    "effective": "showing",
    "example": "reference",
    "find_config_file": "finding",
    "load": "loading",
    "peek": "peeking",
    "schema": "reference",
    "show": "showing",
}

__all__ = [
    "CommandSettings",
    "ConfigurationError",
    "ConfigurationMissing",
    "ConsoleSettings",
    "Fault",
    "NotifyOnFailure",
    "Peek",
    "Settings",
    "convert",
    "effective",
    "example",
    "find_config_file",
    "load",
    "peek",
    "schema",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'taskserver.config' has no attribute {name!r}")
    return getattr(import_module(f"taskserver.config.{_HOMES[name]}"), name)
