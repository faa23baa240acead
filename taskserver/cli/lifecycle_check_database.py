"""The database in `check`: whether a start could use it now, found without making or changing anything.

Called by `lifecycle_check`, as the daemon's user where it could be become; `trusted` tells whether it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from taskserver import plain_files
from taskserver.cli.lifecycle_finding import Finding
from taskserver.errors import EXIT_NEEDS_UPGRADE, EXIT_NOT_CONFIGURED, EXIT_OK, TaskServerError
from taskserver.texts import system_words, translate

if TYPE_CHECKING:
    from taskserver.config import Settings
    from taskserver.database import Database

AREA = "database"


def database_findings(settings: Settings, *, running: bool, trusted: bool) -> Iterator[Finding]:
    """`running`: our own daemon holds the database's lock. Not `trusted`: a file is looked at, not opened."""
    from taskserver.database import Database

    try:
        database = Database(settings.database)
    except TaskServerError as error:
        yield Finding.of(AREA, error)
        return
    try:
        if database.file is not None:
            file = Path(os.path.realpath(database.file))
            faults = list(_file_faults(settings, file, database.label, running=running, trusted=trusted))
            yield from faults
            if faults or not trusted:
                return
        if trusted or database.url.host:  # without a host it is the user that counts
            yield from _schema(settings, database)
    except TaskServerError as error:
        yield Finding.of(AREA, error)
    finally:
        database.close()


def _file_faults(settings: Settings, file: Path, label: str, *, running: bool, trusted: bool) -> Iterator[Finding]:
    from taskserver.server.opening import DatabaseInUse, FolderMissing, LockRefused

    lock = file.with_name(file.name + ".lock")
    try:
        if not file.parent.is_dir():
            if not _made_by_start(settings, file.parent):
                yield Finding.of(AREA, FolderMissing(folder=file.parent))
            return
        if reason := plain_files.kind_fault_at(lock):
            yield Finding.of(AREA, LockRefused(database=label, lock=lock, reason=reason))
            return
        if trusted:
            yield from _unwritable(file, lock)
        if not running and _is_held(lock):
            yield Finding.of(AREA, DatabaseInUse(file=file))
    except PermissionError as error:
        yield Finding(AREA, f"{error.filename}: {system_words(error.strerror)}", EXIT_NOT_CONFIGURED)


def _made_by_start(settings: Settings, folder: Path) -> bool:
    made = [settings.users_dir]
    if settings.log_file is not None:
        made.append(settings.log_file.parent)
    return folder in [Path(os.path.realpath(place)) for place in made]


def _unwritable(file: Path, lock: Path) -> Iterator[Finding]:
    closed = [file.parent]
    if os.access(file.parent, os.R_OK | os.W_OK | os.X_OK):
        beside = [file.with_name(file.name + ending) for ending in ("-wal", "-shm")]
        places = [place for place in (file, lock, *beside) if place.exists()]
        closed = [place for place in places if not os.access(place, os.R_OK | os.W_OK)]
    for place in closed:
        text = translate("{path} is not writable for the daemon's user", path=place)
        yield Finding(AREA, text, EXIT_NOT_CONFIGURED)


def _is_held(lock: Path) -> bool:
    """Whether some task server holds the lock. Takes it for a moment, beside other readers."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _schema(settings: Settings, database: Database) -> Iterator[Finding]:
    from taskserver.database import NoDatabase, TablesTaken, foreign_tables, schema_state

    state = str(schema_state(database))
    if state == "empty" and (taken := foreign_tables(database)):
        yield Finding.of(AREA, TablesTaken(database=database.label, names=", ".join(taken)))
    elif state == "empty" and database.file is None and not settings.auto_upgrade:
        yield Finding.of(AREA, NoDatabase(database=database.label))
    elif state == "empty":
        yield Finding(AREA, translate("it has no tables yet; start makes them"), EXIT_OK)
    elif state == "older":
        code = EXIT_OK if settings.auto_upgrade else EXIT_NEEDS_UPGRADE
        text = translate("its tables are those of an older version; run `task_server db upgrade`")
        yield Finding(AREA, text, code)
    elif state == "newer":
        text = translate("its tables are those of a newer version; install that one")
        yield Finding(AREA, text, EXIT_NEEDS_UPGRADE)
