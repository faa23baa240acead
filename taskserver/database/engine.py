"""One database: its connections, its transactions, and what its errors mean.

The store asks for a transaction (`read`, `write`) and gets SQLAlchemy connections; every error of the driver
that is not the statement's own fault leaves here as one of `database.errors`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from taskserver.clock import Clock, system_clock
from taskserver.database.dialects import (
    DIALECTS,
    FAULT_BUSY,
    FAULT_GONE,
    FAULT_REFUSED,
    FAULT_STATEMENT,
    Listener,
)
from taskserver.database.errors import (
    CommitUnknown,
    DatabaseBusy,
    DatabaseMoved,
    DatabaseRefused,
    DatabaseUnavailable,
    DriverMissing,
    InvalidDatabase,
)
from taskserver.extras import installing

log = logging.getLogger("taskserver.database")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a write waits for another writer. The steps are those that let a dispatcher and busy enqueuers
    share SQLite's one writer: many short waits first, then longer ones (busy_timeout starves without bound)."""

    seconds: float

    def delays(self) -> Iterator[float]:
        deadline = time.monotonic() + self.seconds
        tries = 0
        while tries == 0 or time.monotonic() < deadline:
            tries += 1
            yield 0.0003 if tries <= 100 else 0.002 if tries <= 150 else 0.01


PATIENT = Patience(30.0)
"""For applications and commands: somebody waits for the answer."""

BRIEF = Patience(0.05)
"""For the dispatcher: it keeps control, and comes back with the next turn."""


class Database:
    """The engine for one URL. Threads may share it; a connection belongs to one thread at a time."""

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self.url = _parse(url)
        self.dialect = DIALECTS[self.url.get_backend_name()]()
        try:
            self.engine = self.dialect.engine(self.url)
        except ModuleNotFoundError as error:
            command = installing(self.url.get_backend_name())
            raise DriverMissing(database=self.label, package=error.name, command=command) from None
        self._injected_clock = clock
        self._joint = threading.local()
        self._offset = timedelta(0)
        self._statements: dict[str, str] = {}
        self._place: tuple[int, int] | None = None
        self._moved = False
        self._deaf = False

    def listen(self) -> Listener | None:
        """A listener for news from other programs; None where the database has no such thing, or not now.

        That it has none now is logged once, until there was one again.
        """
        try:
            listener = self.dialect.listen(self.url)
        except Exception as error:  # noqa: BLE001 - the driver's own errors, which only the dialect names
            level = logging.DEBUG if self._deaf else logging.WARNING
            log.log(level, "cannot listen for new jobs, polling instead: %s", error)
            self._deaf = True
            return None
        self._deaf = False
        return listener

    @property
    def label(self) -> str:
        """The URL without its passwords: what messages show."""
        shown = self.url.difference_update_query([name for name in self.url.query if "password" in name])
        return shown.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The database's file; None where a server keeps it."""
        if not self.dialect.one_writer or not self.url.database:
            return None
        return Path(self.url.database).absolute()

    def pin(self) -> None:
        """From now on this is the file that has the database's name now, and never another one of that name."""
        self._place = self._found()

    def require_in_place(self) -> None:
        """Raises DatabaseMoved once the pinned file was removed or replaced; then for ever. Costs one stat."""
        if self._place is None:
            return
        self._moved = self._moved or self._found() != self._place
        if self._moved:
            raise DatabaseMoved(database=self.label)

    def _found(self) -> tuple[int, int] | None:
        """Which file has the name; None where there is none, or a server keeps the database."""
        if self.file is None:
            return None
        try:
            status = os.stat(self.file)  # noqa: PTH116 once in every turn
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return self._place  # nothing is known: the connection will tell
        return status.st_dev, status.st_ino

    def close(self) -> None:
        self.engine.dispose()

    def now(self) -> datetime:
        """The present instant by the database's clock (see `set_clock`)."""
        return self._injected_clock() if self._injected_clock else system_clock() + self._offset

    def set_clock(self, connection: Connection) -> None:
        """Measures how far the database's clock is from this machine's; `now` follows the former."""
        theirs = self.dialect.now(connection)
        self._offset = theirs.astimezone(UTC) - system_clock() if theirs else timedelta(0)

    def connect(self) -> Connection:
        """A new connection, for a caller that keeps it. Raises DatabaseUnavailable or DatabaseRefused."""
        self.require_in_place()
        with self.translated():
            return self._patiently(self.engine.connect)

    @contextmanager
    def read(self, connection: Connection | None = None) -> Iterator[Connection]:
        """A transaction that only reads: one consistent view. It ends when the block is left."""
        joint = self._joined(connection)
        if joint is not None:
            yield joint
            return
        with self._lent(connection) as mine, self.translated():
            self._begin(mine.execution_options(taskserver_write=False), PATIENT, self.dialect.begin_read)
            try:
                yield mine
            finally:
                self._rollback(mine)

    @contextmanager
    def write(self, connection: Connection | None = None, *, patience: Patience = PATIENT) -> Iterator[Connection]:
        """A transaction that commits when the block is left without an error, and rolls back otherwise.

        Raises DatabaseBusy when another writer held on for longer than `patience`, CommitUnknown when the
        commit itself broke off, DatabaseUnavailable and DatabaseRefused as their names say; IntegrityError
        and its kin, the statement's own fault, pass through.
        """
        joint = self._joined(connection)
        if joint is not None:
            yield joint
            return
        with self._lent(connection) as mine, self.translated():
            self.begin_write(mine, patience=patience)
            try:
                yield mine
            except BaseException:
                self._rollback(mine)
                raise
            self.commit(mine)

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """One write transaction for every `read` and `write` that this thread begins in the block: all or none.

        What a block has seen is still so when it writes, and an action commits with the record of it. A block in
        a block is undone alone when an error leaves it.
        """
        joint = self._joined(None)
        if joint is not None:
            with joint.begin_nested():
                yield joint
            return
        with self.write() as connection:
            self._joint.connection = connection
            try:
                yield connection
            finally:
                del self._joint.connection

    def _joined(self, connection: Connection | None) -> Connection | None:
        """The connection of the surrounding `together`, unless the caller brings one of its own."""
        return getattr(self._joint, "connection", None) if connection is None else None

    def begin_write(self, connection: Connection, *, patience: Patience = PATIENT) -> None:
        """Begins a write on a connection that the caller keeps, and will `commit` or roll back."""
        self._begin(connection.execution_options(taskserver_write=True), patience, None)

    def prepare(self, connection: Connection) -> None:
        """What a new database needs before its tables are made. Raises DatabaseUnavailable, DatabaseRefused."""
        with self.translated():
            self._patiently(lambda: self.dialect.prepare(connection))

    def commit(self, connection: Connection) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            fault = self.dialect.fault(error)
            self._rollback(connection)
            if fault == FAULT_STATEMENT:  # a deferred constraint: the transaction is surely not committed
                raise
            raise CommitUnknown(database=self.label, reason=_reason(error)) from error

    def statement(self, sql: str) -> str:
        """`sql`, written with `:name` parameters, in the driver's own style, for `exec_driver_sql`."""
        if self.dialect.paramstyle == "named":
            return sql
        if sql not in self._statements:
            self._statements[sql] = str(text(sql).compile(dialect=self.engine.dialect))
        return self._statements[sql]

    def instant(self, instant: datetime | None) -> Any:
        """An instant as the driver wants it in `exec_driver_sql`."""
        return self.dialect.bind_instant(instant)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the driver that are not a statement's own fault leave the block as database errors."""
        try:
            yield
        except DBAPIError as error:
            fault = self.dialect.fault(error)
            if fault == FAULT_BUSY:
                raise DatabaseBusy(database=self.label) from error
            if fault == FAULT_GONE:
                raise DatabaseUnavailable(database=self.label, reason=_reason(error)) from error
            if fault == FAULT_REFUSED:
                raise DatabaseRefused(database=self.label, reason=_reason(error)) from error
            raise

    @contextmanager
    def _lent(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
            return
        self.require_in_place()
        with self.translated():
            own = self._patiently(self.engine.connect)
        try:
            yield own
        finally:
            own.close()

    def _patiently(self, action: Callable[[], T]) -> T:
        for delay in PATIENT.delays():
            try:
                return action()
            except DBAPIError as error:
                if self.dialect.fault(error) != FAULT_BUSY:
                    raise
            time.sleep(delay)
        raise DatabaseBusy(database=self.label)

    def _begin(
        self, connection: Connection, patience: Patience, first: Callable[[Connection], None] | None
    ) -> None:
        for delay in patience.delays():
            try:
                connection.begin()
                if first:
                    first(connection)
                return
            except DBAPIError as error:
                self._rollback(connection)
                if self.dialect.fault(error) != FAULT_BUSY:
                    raise
            time.sleep(delay)
        raise DatabaseBusy(database=self.label)

    def _rollback(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except DBAPIError:
            connection.invalidate()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in DIALECTS:
            known = ", ".join(sorted(DIALECTS))
            raise InvalidDatabase(reason=f"{parsed.get_backend_name()!r} is not supported; use one of: {known}")
        drivers = DIALECTS[parsed.get_backend_name()].drivers
        if parsed.drivername not in drivers:
            known = ", ".join(drivers)
            raise InvalidDatabase(reason=f"{parsed.drivername!r} is not supported; use one of: {known}")
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # ValueError: a port that is no number
        # Without the cause, which quotes the URL with its password.
        raise InvalidDatabase(
            reason="this is not a database URL such as sqlite:///FILE or postgresql://..."
        ) from None
    return parsed


def _reason(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())[:500]
