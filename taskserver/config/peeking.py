"""A quick look at the few keys that `status`, `stop` and completion need, with the standard library alone.

It never fails: whatever is wrong with the file, the default users directory is used, and the answer says so.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskserver.config import database_url
from taskserver.config.faults import ConfigurationError, WrongValue
from taskserver.config.ini_reader import read_sections
from taskserver.config.kinds import FilePath
from taskserver.config.source import Source, read_source
from taskserver.texts import translate

DEFAULT_USERS_DIR = "users"
DATABASE_FILE = "taskserver.sqlite"


@dataclass(frozen=True)
class Peek:
    """Where the daemon keeps its files and whom it runs as; `faults` tells why the defaults stand in."""

    users_dir: Path
    run_as: str | None
    faults: str | None
    database: Path | None = None
    """The file that is the database; None if that can't be told, or it is none."""


def peek(path: Path, *, installation: Path | None = None) -> Peek:
    """What `path` says. Relative paths begin at `installation`, else at the folder of the file. Never raises."""
    path = Path(path).absolute()
    base = (installation or path.parent).absolute()
    default = base / DEFAULT_USERS_DIR
    try:
        keys = _keys(read_source(path))
        users_dir = FilePath()(keys.get("users_dir", DEFAULT_USERS_DIR))
        run_as = keys.get("run_as") or None
        if run_as is not None and not isinstance(run_as, str):
            return Peek(base / users_dir, None, translate("{file}: task_server.run_as must be a text", file=path))
        return Peek(base / users_dir, run_as, None, _database(keys, base, base / users_dir))
    except ConfigurationError as error:
        reason = error.message()
    except (WrongValue, ValueError, RecursionError) as error:
        reason = f"{path}: {error}"
    text = translate("{reason}; using the default users directory {users_dir}", reason=reason, users_dir=default)
    return Peek(default, None, text)


def _database(keys: dict[str, Any], base: Path, users_dir: Path) -> Path | None:
    url = keys.get("database") or database_url.sqlite_url(users_dir / DATABASE_FILE)
    try:
        return database_url.file_of(database_url.placed(database_url.normalised(url), base))
    except (WrongValue, TypeError, AttributeError):
        return None


def _keys(source: Source) -> dict[str, Any]:
    """What [task_server] says. Raises ValueError where it says nothing."""
    if source.format == "toml":
        section = tomllib.loads(source.content.decode("utf-8")).get("task_server")
        if not isinstance(section, dict):
            raise ValueError(translate("the section [task_server] is missing"))
        return section
    sections = [section for section in read_sections(source.content) if section.name == "task_server"]
    if not sections:
        raise ValueError(translate("the section [task_server] is missing"))
    return {entry.key: entry.value for section in sections for entry in section.entries if entry.value}
