"""What can be wrong with a database, as the sentences that operators read."""

from __future__ import annotations

from sqlalchemy.exc import DataError

from taskserver.errors import EXIT_NEEDS_UPGRADE, EXIT_NOT_INSTALLED, NotAllowed, NotConfigured, TaskServerError
from taskserver.texts import mark

VALUE_REFUSED = (DataError, OverflowError)
"""What a statement raises whose value the database can't keep: NUL in a text, a number beyond 64 bits."""


class DatabaseFault(TaskServerError):
    """What may be wrong with a database that has been opened. The sentence names files, hosts and users."""


class DatabaseUnavailable(DatabaseFault):
    """The database can't be had now; trying again later may help. Nothing that was committed is lost."""

    text = mark("the database {database} is not available: {reason}")


class DatabaseBusy(DatabaseUnavailable):
    """Another writer held the database for longer than the caller was willing to wait."""

    text = mark("the database {database} is locked by another writer; try again")


class DatabaseMoved(DatabaseUnavailable):
    """The file that is in use has lost its name: what is at that name now, if anything, is another database."""

    text = mark("the file of the database {database} was removed or replaced while it was in use")


class CommitUnknown(DatabaseUnavailable):
    """The connection broke during COMMIT: whether it took effect must be read back."""

    text = mark("the database {database} went away during a commit: {reason}")


class DatabaseRefused(DatabaseFault, NotConfigured):
    """The database answers, but not to us: trying again won't help."""

    text = mark("the database {database} refuses us: {reason}; check task_server.database")


class FileRefused(DatabaseFault, NotAllowed):
    """In the place of an SQLite file is something that it should not be opened through."""

    text = mark("the database file {file} is refused: {reason}")


class InvalidDatabase(NotConfigured):
    text = mark("task_server.database: {reason}")


class NoDatabase(TaskServerError):
    text = mark("the database {database} has no tables yet; `task_server db upgrade` makes them")
    exit_code = EXIT_NEEDS_UPGRADE


class NeedsUpgrade(TaskServerError):
    text = mark(
        "the database {database} has schema {found}, this version needs {wanted}; stop every task server on it, "
        "make a backup, then run `task_server db upgrade`"
    )
    exit_code = EXIT_NEEDS_UPGRADE


class StrangeVersion(TaskServerError):
    """Somebody has changed the version by hand."""

    text = mark(
        "the database {database} has the version {found!r} in its table {table}, which no task server writes; "
        "restore the database from a backup"
    )
    exit_code = EXIT_NEEDS_UPGRADE


class TablesTaken(TaskServerError):
    """Another program has tables where ours would be."""

    text = mark(
        "the database {database} holds tables of another program that have the names of ours: {names}; "
        "name another database"
    )
    exit_code = EXIT_NEEDS_UPGRADE


class UpgradeFailed(TaskServerError):
    """The migration itself failed and left nothing behind: trying again won't help."""

    text = mark("the tables of {database} could not be made or changed: {reason}")
    exit_code = EXIT_NEEDS_UPGRADE


class DriverMissing(TaskServerError):
    text = mark("{database} needs the Python package {package}: install it with: {command}")
    exit_code = EXIT_NOT_INSTALLED


class SchemaTooNew(TaskServerError):
    text = mark(
        "the database {database} has schema {found}, which this version (schema {wanted}) does not know; "
        "install the newer taskserver again"
    )
    exit_code = EXIT_NEEDS_UPGRADE
