"""Which configuration file counts. Standard library only; nothing is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from taskserver.config.faults import ConfigurationMissing

VARIABLE = "TASKSERVER_CONFIG"
SYSTEM_FILE = Path("/etc/taskserver.toml")


def find_config_file(
    explicit: str | Path | None,
    *,
    installation: Path,
    environment: Mapping[str, str],
    system_file: Path = SYSTEM_FILE,
) -> Path:
    """`explicit` (-c), else $TASKSERVER_CONFIG, else etc/taskserver.toml of the installation, else of the system.

    The path is absolute, seen from the working directory of now. Raises ConfigurationMissing, which names
    what was looked for.
    """
    if explicit:
        return _first([Path(explicit)], "-c")
    if environment.get(VARIABLE):
        return _first([Path(environment[VARIABLE])], f"${VARIABLE}")
    return _first([installation / "etc" / "taskserver.toml", system_file])


def _first(candidates: list[Path], asked_by: str = "") -> Path:
    for candidate in candidates:
        if _exists(candidate):
            return candidate.absolute()
    places = ", ".join(str(candidate.absolute()) for candidate in candidates)
    raise ConfigurationMissing(places=f"{places} ({asked_by})" if asked_by else places)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # there or not: reading it will say what is wrong
    except (OSError, ValueError):
        return False
    return True
