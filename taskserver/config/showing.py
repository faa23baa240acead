"""Shows settings as the TOML that would make them, and turns an INI file into TOML.

Secrets are never shown. What `show` prints can be loaded again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from taskserver.config.console import ConsoleSettings
from taskserver.config.faults import ConfigurationError, dotted
from taskserver.config.loading import load, read_document
from taskserver.config.models import (
    CommandSettings,
    MemoryLimits,
    NotifyOnFailure,
    ServerSettings,
    Settings,
    kinds,
)
from taskserver.config.structure import CONSOLE, NOTIFY, SERVER, SYSTEM, TASKS


def effective(settings: Settings) -> dict[str, Any]:
    """The configuration as a file has it, with every default; passwords are ***, None is what is not set."""
    return {
        SERVER: {
            **_written(ServerSettings, settings),
            CONSOLE: _written(ConsoleSettings, settings.console),
            NOTIFY: _written(NotifyOnFailure, settings.notify_on_failure),
        },
        SYSTEM: _written(MemoryLimits, settings),
        TASKS: {name: _written(CommandSettings, task) for name, task in settings.tasks.items()},
    }


def show(settings: Settings, *, origin: bool = False) -> str:
    """`effective` as TOML; with `origin` each key is followed by a comment with FILE:LINE or `default`."""
    values = effective(settings)
    server = dict(values[SERVER])
    tables: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((SERVER, CONSOLE), server.pop(CONSOLE)),
        ((SERVER, NOTIFY), server.pop(NOTIFY)),
        ((SYSTEM,), values[SYSTEM]),
        *(((TASKS, name), task) for name, task in values[TASKS].items()),
    ]
    origins = settings.origins if origin else {}
    return "\n".join(_table(table, keys, origins) for table, keys in [((SERVER,), server), *tables])


def convert(path: Path) -> str:
    """Our sections of a configuration file as TOML, with passwords, without comments.

    Raises ConfigurationError for a file that has faults.
    """
    path = Path(path).absolute()
    load(path)
    document = read_document(path)
    if document.faults:  # the file changed in between
        raise ConfigurationError(document.faults)
    return tomli_w.dumps(document.values)


def _written(model: type[Any], settings: Any) -> dict[str, Any]:
    return {name: kind.write(getattr(settings, name)) for name, kind in kinds(model).items()}


def _table(table: tuple[str, ...], keys: dict[str, Any], origins: dict[str, str]) -> str:
    lines = [f"[{dotted(table)}]"]
    nested = {}
    for name, value in keys.items():
        if isinstance(value, dict):
            nested[name] = value
            continue
        first, *more = tomli_w.dumps({name: "" if value is None else value}).splitlines()
        place = origins.get(dotted((*table, name)))
        lines += [f"{first}  # {_comment(place)}" if place else first, *more]
    for name, value in nested.items():
        place = origins.get(dotted((*table, name)))
        if value:
            header = f"[{dotted((*table, name))}]"
            lines += [
                "",
                f"{header}  # {_comment(place)}" if place else header,
                *tomli_w.dumps(value).splitlines(),
            ]
    return "\n".join(lines) + "\n"


def _comment(place: str) -> str:
    """A file's name may hold anything, a comment no control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in place)
