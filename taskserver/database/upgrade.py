"""The schema's version: asking for it is one SELECT; changing it is alembic's work, imported only then."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from taskserver.database.dialects import FAULT_REFUSED, FAULT_STATEMENT
from taskserver.database.engine import PATIENT, Database
from taskserver.database.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    NeedsUpgrade,
    NoDatabase,
    SchemaTooNew,
    StrangeVersion,
    UpgradeFailed,
)
from taskserver.database.schema import SCHEMA_VERSION, VERSION_TABLE, metadata

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaState(StrEnum):
    CURRENT = "current"
    EMPTY = "empty"
    OLDER = "older"
    NEWER = "newer"


def schema_version(database: Database) -> str | None:
    """The revision found in the database; None where there is none yet, or no file at all.

    Raises StrangeVersion for what is none, and what being connected raises.
    """
    if database.file is not None and not _is_there(database, database.file):
        return None
    with database.read() as connection:
        try:
            found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
        except DBAPIError as error:
            no_right_to_it = database.dialect.fault(error) == FAULT_REFUSED
            if VERSION_TABLE in str(error.orig) and not no_right_to_it:
                return None  # no such table, in the words of either database
            raise
    if found is not None and not re.fullmatch(r"\d{4}", str(found)):
        raise StrangeVersion(database=database.label, table=VERSION_TABLE, found=str(found))
    return found if found is None else str(found)


def _is_there(database: Database, file: Path) -> bool:
    try:
        if file.is_dir():
            raise DatabaseRefused(database=database.label, reason=os.strerror(errno.EISDIR))
        return file.exists()
    except PermissionError as error:
        raise DatabaseRefused(database=database.label, reason=error.strerror) from None


def schema_state(database: Database) -> SchemaState:
    found = schema_version(database)
    if found is None:
        return SchemaState.EMPTY
    if found == SCHEMA_VERSION:
        return SchemaState.CURRENT
    return SchemaState.OLDER if found < SCHEMA_VERSION else SchemaState.NEWER


def foreign_tables(database: Database) -> list[str]:
    """Tables and views of another program that stand where this version would make its own.

    To be asked of a database without a schema of ours.
    """
    if database.file is not None and not _is_there(database, database.file):
        return []
    with database.read() as connection:
        looking = inspect(connection)
        present = {*looking.get_table_names(), *looking.get_view_names()}
    return sorted(present & set(metadata.tables))


def require_current(database: Database) -> None:
    """Raises NoDatabase, NeedsUpgrade or SchemaTooNew unless the schema is this version's."""
    found = schema_version(database)
    if found is None:
        raise NoDatabase(database=database.label)
    if found < SCHEMA_VERSION:
        raise NeedsUpgrade(database=database.label, found=found, wanted=SCHEMA_VERSION)
    if found > SCHEMA_VERSION:
        raise SchemaTooNew(database=database.label, found=found, wanted=SCHEMA_VERSION)


def upgrade(database: Database) -> None:
    """Makes the schema or brings it up to this version, in one transaction; a newer one is refused.

    Two upgrades at once: the second waits, then finds nothing to do.
    """
    state = schema_state(database)
    if state is SchemaState.NEWER:
        require_current(database)
    if state is SchemaState.CURRENT:
        return
    with database.connect() as connection:
        database.prepare(connection)
        with database.write(connection, patience=PATIENT):
            database.dialect.lock_key(connection, "schema upgrade")
            _migrate(database, connection)


def upgrade_apart(database: Database) -> None:
    """The same in a process of its own: a daemon that made its database once need not carry alembic for ever.

    The URL goes through a pipe, since it may hold a password. Raises UpgradeFailed with what went wrong.
    """
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-P", "-m", "taskserver.database"]  # -P: nothing is imported from where we stand
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part.startswith("/"))}
    done = subprocess.run(command, input=url, text=True, capture_output=True, check=False, env=environment)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        passing = done.returncode == os.EX_TEMPFAIL
        raise (DatabaseUnavailable if passing else UpgradeFailed)(database=database.label, reason=reason)


def _migrate(database: Database, connection: Connection, revision: str = "head") -> None:
    from alembic.command import upgrade as run_migrations
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        run_migrations(config, revision)
    except CommandError as error:
        raise UpgradeFailed(database=database.label, reason=error) from error
    except DBAPIError as error:
        if database.dialect.fault(error) != FAULT_STATEMENT:
            raise
        reason = str(error.orig).splitlines()[0]  # such as: table "clients" already exists
        raise UpgradeFailed(database=database.label, reason=reason) from error
