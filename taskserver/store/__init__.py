"""The store: every SQL statement of taskserver, as verbs of the domain.

`Store` groups them by what they are about. Each verb is one transaction unless it says otherwise. Rows leave as
plain dicts with the names of the columns; instants are aware and in UTC.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

from taskserver.clock import Clock
from taskserver.database import Database, SchemaState, require_current, schema_state, upgrade
from taskserver.store.audit import Audit
from taskserver.store.changes import Changed, Changes
from taskserver.store.clients import Clients
from taskserver.store.control import Control
from taskserver.store.dispatch import Dispatch, Turn, Work
from taskserver.store.enqueue import Enqueued, Enqueuing, ForMany, ForOne
from taskserver.store.entries import CronEntries
from taskserver.store.estimates import Estimates
from taskserver.store.explain import Finding
from taskserver.store.failures import FailureGroup, Failures
from taskserver.store.figures import Figures, Tally
from taskserver.store.history import History, RunPage, RunPlace, WantedRuns
from taskserver.store.idempotency import Idempotency
from taskserver.store.limits import Capacity
from taskserver.store.login_links import LoginLinks
from taskserver.store.nodes import NodeIdentity, Nodes
from taskserver.store.overview import Overview, Page, Place, Wanted
from taskserver.store.reading import Reading
from taskserver.store.retention import Keep, Retention
from taskserver.store.roles import Grant, Role
from taskserver.store.runs import Runs
from taskserver.store.sessions import Sessions
from taskserver.store.switches import PublishedTasks, Switches
from taskserver.store.tokens import Tokens
from taskserver.store.transactions import JobTransaction, Transactions
from taskserver.store.users import Users

__all__ = [
    "Capacity",
    "Changed",
    "Dispatch",
    "Enqueued",
    "FailureGroup",
    "Finding",
    "ForMany",
    "ForOne",
    "Grant",
    "JobTransaction",
    "Jobs",
    "Keep",
    "NodeIdentity",
    "Page",
    "Place",
    "Role",
    "RunPage",
    "RunPlace",
    "SchemaState",
    "Store",
    "Tally",
    "Turn",
    "Wanted",
    "WantedRuns",
    "Work",
]


class Jobs(Enqueuing, Control, Reading):
    """`store.jobs`: queue them, change them, look at them."""

    def __init__(self, database: Database) -> None:
        self._database = database


class Store:
    """One database, opened. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.jobs = Jobs(database)
        self.entries = CronEntries(database)
        self.runs = Runs(database)
        self.history = History(database)
        self.clients = Clients(database)
        self.nodes = Nodes(database)
        self.tasks = PublishedTasks(database)
        self.switches = Switches(database)
        self.retention = Retention(database)
        self.transactions = Transactions(database)
        self.overview = Overview(database)
        self.changes = Changes(database)
        self.failures = Failures(database)
        self.estimates = Estimates(database)
        self.figures = Figures(database)
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.login_links = LoginLinks(database)
        self.tokens = Tokens(database)
        self.audit = Audit(database)
        self.idempotency = Idempotency(database)

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None) -> Store:
        """The store of a database whose schema is this version's.

        Raises DatabaseUnavailable, DatabaseRefused, InvalidDatabase, NoDatabase, NeedsUpgrade, SchemaTooNew.
        """
        database = Database(url, clock=clock)
        try:
            require_current(database)
            if not database.dialect.one_writer:
                with database.read() as connection:
                    database.set_clock(connection)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @staticmethod
    def schema_state(url: str) -> SchemaState:
        database = Database(url)
        try:
            return schema_state(database)
        finally:
            database.close()

    @staticmethod
    def create_or_upgrade(url: str) -> None:
        """Makes the schema, or brings it up to this version. Raises SchemaTooNew for a newer one."""
        database = Database(url)
        try:
            upgrade(database)
        finally:
            database.close()

    def together(self) -> AbstractContextManager[Any]:
        """One transaction for every verb that this thread calls in the block: all of it commits, or nothing."""
        return self.database.together()

    def dispatch(self, default_zone: ZoneInfo) -> Dispatch:
        """The dispatcher's own view: one for each daemon."""
        return Dispatch(self.database, default_zone)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
