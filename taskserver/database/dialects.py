"""What differs between the databases: how to connect, how to begin a write, what an error means.

Nothing above this package names a dialect; it asks these facts.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from taskserver.clock import to_text
from taskserver.database.files import refuse_planted
from taskserver.database.handshake import Refusals

FAULT_BUSY = "busy"  # another writer holds the database: try again at once
FAULT_GONE = "gone"  # unreachable, full, failing: try again with backoff
FAULT_REFUSED = "refused"  # credentials, rights, not a database: a person must act
FAULT_STATEMENT = "statement"  # the statement or its data is at fault


_PROMPT = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Whose host has vanished answers neither yes nor no: libpq is to notice within a minute, not after hours."""


class Listener:
    """A connection of its own that is told when another program has queued or changed jobs."""

    def __init__(self, url: URL) -> None:
        import psycopg

        query = {**_PROMPT, "application_name": "taskserver listener", **url.query}
        # Its words, not the URL: libpq reads a + in a URL as what it is, SQLAlchemy writes a space so.
        _, words = url.get_dialect()().create_connect_args(url.set(query=query))
        self._connection = psycopg.connect(**words, autocommit=True)
        self._connection.execute("LISTEN taskserver_jobs")

    def fileno(self) -> int:
        """Readable when there may be news. Raises OSError once the connection is lost."""
        if self._connection.closed:
            raise OSError("the listening connection is closed")
        return self._connection.fileno()

    def drain(self) -> bool:
        """Takes what has arrived; whether it was anything. Raises OSError once the connection is lost."""
        import psycopg

        try:
            return any(True for _ in self._connection.notifies(timeout=0))
        except psycopg.Error as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        self._connection.close()


class Sqlite:
    """One file, one writer. Every write begins with BEGIN IMMEDIATE and is retried by `Database.write`."""

    name: ClassVar[str] = "sqlite"
    drivers: ClassVar[tuple[str, ...]] = ("sqlite", "sqlite+pysqlite")
    paramstyle: ClassVar[str] = "named"
    one_writer: ClassVar[bool] = True
    lateral: ClassVar[bool] = False
    skip_locked: ClassVar[str] = ""
    run_ids_from_sequence: ClassVar[bool] = False
    lock_sql: ClassVar[str] = ""
    like_ignores_case: ClassVar[bool] = True
    """Of ASCII letters; without a call of our `lower` for each row."""
    plain_value: ClassVar[str] = (
        "CASE WHEN json_valid({column}) AND json_type({column}, '$.{name}') IN ('text', 'integer', 'real') "
        "THEN CAST(json_extract({column}, '$.{name}') AS text) END"
    )
    """The text or number under a name in a column's JSON object, else NULL; whatever stands there, no error."""
    among_ids: ClassVar[str] = "id IN (SELECT value FROM json_each(:ids))"
    latest: ClassVar[str] = "max({})"
    """The latest of some instants, none of them NULL."""
    seconds: ClassVar[str] = "((julianday({until}) - julianday({since})) * 86400.0)"
    """Between two instants; exact to a tenth of a millisecond."""

    def engine(self, url: URL) -> Engine:
        connect_args = {"timeout": 0, "check_same_thread": False, "cached_statements": 256}
        engine = create_engine(
            url,
            paramstyle=self.paramstyle,
            connect_args=connect_args,
            poolclass=pool.QueuePool,
            pool_timeout=60,
            hide_parameters=True,
        )
        if url.database:
            event.listen(engine, "do_connect", lambda *_: refuse_planted(str(url.database)))
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "begin", self._on_begin)
        return engine

    @staticmethod
    def _on_connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions are begun by _on_begin, not guessed by the driver
        # Another program may have written Latin-1: its row must not keep all others from being read.
        connection.text_factory = _text
        # SQLite's own knows the letters of ASCII alone: searches would not find an umlaut in another case.
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        # FULL: a commit that was acknowledged survives a power cut (NORMAL loses the last ones in WAL mode).
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @staticmethod
    def _on_begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("taskserver_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    def begin_read(self, connection: Connection) -> None:
        """Takes the snapshot now, while `busy` can still be retried, rather than at some later statement."""
        connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1")

    def prepare(self, connection: Connection) -> None:
        """Once per new file: write-ahead logging, so that readers never wait for the writer."""
        driver: Any = connection.connection.dbapi_connection  # outside any transaction, as the pragma demands
        try:
            driver.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.Error as error:
            raise OperationalError("PRAGMA journal_mode = WAL", None, error) from error

    def fault(self, error: DBAPIError) -> str:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return FAULT_BUSY
        if code in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_NOMEM,
            sqlite3.SQLITE_PROTOCOL,
        ):
            return FAULT_GONE
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
            return FAULT_REFUSED
        return FAULT_STATEMENT

    def bind_instant(self, instant: datetime | None) -> Any:
        return None if instant is None else to_text(instant)

    def numbers(self, numbers: list[int]) -> Any:
        """The parameter of `among_ids`."""
        return json.dumps(numbers)

    def now(self, connection: Connection) -> datetime | None:
        """None: the file has no clock of its own, its time is this machine's."""
        return None

    def data_version(self, connection: Connection) -> int | None:
        """A number that changes when another connection has committed; None where that can't be asked."""
        return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def tune_dispatcher(self, connection: Connection) -> None:
        """Nothing to do: the file's planner takes a partial index whenever it may."""

    def hold_name(self, connection: Connection, name: str) -> bool:
        """True: one daemon runs on a file, which a lock beside the file sees to."""
        return True

    def listen(self, url: URL) -> Listener | None:
        """None: a file tells nobody."""
        return None

    def lock_key(self, connection: Connection, *parts: str) -> None:
        """Nothing to do: a write transaction is alone in the file."""


class Postgresql:
    """Many writers. Claims skip what others have locked; LISTEN tells about new jobs."""

    name: ClassVar[str] = "postgresql"
    drivers: ClassVar[tuple[str, ...]] = ("postgresql", "postgresql+psycopg")
    paramstyle: ClassVar[str] = "pyformat"
    one_writer: ClassVar[bool] = False
    lateral: ClassVar[bool] = True
    skip_locked: ClassVar[str] = "FOR UPDATE OF j SKIP LOCKED"
    run_ids_from_sequence: ClassVar[bool] = True
    like_ignores_case: ClassVar[bool] = False
    lock_sql: ClassVar[str] = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 7621))"
    """What `lock_key` executes; for connections that are not ours."""
    plain_value: ClassVar[str] = (
        "CASE WHEN position('\\u0000' IN CAST({column} AS text)) = 0 "
        "AND json_typeof({column} -> '{name}') IN ('string', 'number') THEN {column} ->> '{name}' END"
    )
    among_ids: ClassVar[str] = "id = ANY(CAST(:ids AS bigint[]))"
    latest: ClassVar[str] = "GREATEST({})"
    seconds: ClassVar[str] = "CAST(extract(epoch FROM ({until} - {since})) AS double precision)"

    _GONE = ("08", "53", "57", "58", "55006", "25006")
    _BUSY = ("40", "55P03")
    _REFUSED = ("28", "3D", "42501", "3F")

    def __init__(self) -> None:
        self._refusals = Refusals()

    def engine(self, url: URL) -> Engine:
        query = {**_PROMPT, "application_name": "taskserver", **url.query}
        engine = create_engine(
            url.set(query=query), pool_pre_ping=True, pool_size=5, max_overflow=100, hide_parameters=True
        )
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._on_connect)
        return engine

    def _connect(self, dialect: Dialect, record: object, arguments: list[Any], words: dict[str, Any]) -> Any:
        """Connects, and gives an error of the handshake the SQLSTATE of a refusal, which the driver lacks."""
        from psycopg import OperationalError
        from psycopg.errors import ConnectionTimeout

        try:
            return dialect.connect(*arguments, **words)
        except OperationalError as error:
            if error.sqlstate is None and not isinstance(error, ConnectionTimeout):
                code = self._refusals.code(str(error), words) or ""
                error.sqlstate = code if code.startswith(self._REFUSED) else None
            raise

    @staticmethod
    def _on_connect(connection: Any, record: object) -> None:
        from psycopg.types.string import TextLoader

        # JSON columns arrive as the text they are: `Json` alone parses it, on every database alike.
        connection.adapters.register_loader("json", TextLoader)

    def begin_read(self, connection: Connection) -> None:
        """Nothing to do: readers never wait."""

    def prepare(self, connection: Connection) -> None:
        """Nothing to do."""

    def fault(self, error: DBAPIError) -> str:
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            # No SQLSTATE: the server was not reached, or could not take us for now.
            return FAULT_GONE if error.connection_invalidated or _is_operational(error) else FAULT_STATEMENT
        if state.startswith(self._BUSY):
            return FAULT_BUSY
        if state.startswith(self._GONE):
            return FAULT_GONE
        return FAULT_REFUSED if state.startswith(self._REFUSED) else FAULT_STATEMENT

    def bind_instant(self, instant: datetime | None) -> Any:
        return instant

    def numbers(self, numbers: list[int]) -> Any:
        return numbers

    def now(self, connection: Connection) -> datetime | None:
        instant: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return instant

    def data_version(self, connection: Connection) -> int | None:
        return None

    def tune_dispatcher(self, connection: Connection) -> None:
        """Indexes only: a plan made while the table was small, or before statistics were gathered, reads the
        whole table in every turn: 15 to 30 ms at 100,000 jobs instead of a tenth of one."""
        connection.exec_driver_sql("SET enable_seqscan = off")
        connection.commit()

    def hold_name(self, connection: Connection, name: str) -> bool:
        """Takes the name for as long as the connection lasts; False while another connection has it."""
        return bool(
            connection.exec_driver_sql(
                "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 7622))", {"name": name}
            ).scalar()
        )

    def listen(self, url: URL) -> Listener | None:
        return Listener(url)

    def lock_key(self, connection: Connection, *parts: str) -> None:
        """Until the transaction ends no other one passes here with the same parts."""
        connection.execute(text(self.lock_sql), {"key": "\x1f".join(parts)})


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _is_operational(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError | InterfaceError)


DIALECTS: dict[str, type[Sqlite] | type[Postgresql]] = {"sqlite": Sqlite, "postgresql": Postgresql}
