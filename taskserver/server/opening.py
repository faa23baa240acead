"""Getting at the database when a daemon starts: one task server on each SQLite file, waiting for a database that
is not there yet, making a new one. Called by the server alone, before any of its threads runs.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

from taskserver import plain_files
from taskserver.config import Settings
from taskserver.database import (
    Database,
    DatabaseUnavailable,
    SchemaState,
    require_current,
    schema_state,
    upgrade_apart,
)
from taskserver.errors import NotConfigured, TaskServerError
from taskserver.texts import mark, translate

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0


class DatabaseInUse(TaskServerError):
    text = mark("the database {file} is used by another task server; one runs on each SQLite file")


class FolderMissing(NotConfigured):
    text = mark("task_server.database: the folder {folder} does not exist; create it for the daemon's user")


class LockRefused(NotConfigured):
    text = mark("the database {database} can't be used: its lock {lock} can't be opened: {reason}")


def lock_database_file(url: str) -> int | None:
    """Takes the lock beside the SQLite file and returns its descriptor, which holds it; None on a server.

    Raises DatabaseInUse while another task server has it, FolderMissing when there is no place for the file.
    """
    database = Database(url)
    file, label = database.file, database.label
    database.close()
    if file is None:
        return None
    file = Path(os.path.realpath(file))  # by whatever link it is reached, it is one file with one lock
    if not file.parent.is_dir():
        raise FolderMissing(folder=file.parent)
    descriptor = _open_lock(file, label)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DatabaseInUse(file=file) from None
    return descriptor


def open_database(
    settings: Settings, *, given_up: Event, waiting: Callable[[str], None], log: logging.Logger
) -> Database:
    """The database with this version's schema, as soon as it is there; `waiting` is told once that it isn't.

    Raises what waiting doesn't mend, and DatabaseUnavailable once `given_up` is set.
    """
    delay, said = FIRST_WAIT_SECONDS, False
    while True:
        database = Database(settings.database)
        try:
            _prepare_schema(database, auto_upgrade=settings.auto_upgrade)
            database.pin()
            return database
        except DatabaseUnavailable as error:
            database.close()
            if not said:
                said = True
                log.warning("%s; waiting for it", error)
                waiting(error.message())
        except BaseException:
            database.close()
            raise
        if given_up.wait(delay):
            raise DatabaseUnavailable(database=database.label, reason=translate("stopped while waiting for it"))
        delay = min(delay * 2, LONGEST_WAIT_SECONDS)


def reopen_database(settings: Settings) -> Database:
    """The database that has the place of a file which was removed or replaced. None is made: who did that will.

    Raises DatabaseUnavailable, NoDatabase, NeedsUpgrade and their like as long as there is none to be used.
    """
    database = Database(settings.database)
    try:
        require_current(database)
    except BaseException:
        database.close()
        raise
    database.pin()
    return database


def _prepare_schema(database: Database, *, auto_upgrade: bool) -> None:
    """A new SQLite database is made; an older schema is changed only when the configuration allows it."""
    state = schema_state(database)
    new_file = state is SchemaState.EMPTY and database.file is not None
    if new_file or (state is not SchemaState.CURRENT and auto_upgrade):
        upgrade_apart(database)
    require_current(database)


def _open_lock(database_file: Path, label: str) -> int:
    path = database_file.with_name(database_file.name + ".lock")
    try:
        # O_NONBLOCK: nobody reads a FIFO that somebody has put there
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
    except OSError as error:
        reason = plain_files.kind_fault_at(path) or error.strerror
        raise LockRefused(database=label, lock=path, reason=reason) from None
    if reason := plain_files.kind_fault(os.fstat(descriptor)):
        os.close(descriptor)
        raise LockRefused(database=label, lock=path, reason=reason)
    return descriptor
