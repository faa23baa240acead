"""A task's own transaction: its writes commit together with the outcome of its job, or not at all.

The one documented exception to "the executor returns an outcome, the store applies it": here the outcome is
written on the task's connection, guarded by the claim, and both commit at once.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, select

from taskserver.database import PATIENT, CommitUnknown, Database, DatabaseMoved, DatabaseUnavailable
from taskserver.database.schema import runs
from taskserver.jobs import Claim, Outcome, RunStatus
from taskserver.log_fields import about
from taskserver.store.outcomes import Outcomes

log = logging.getLogger("taskserver.store")

LONG_HOLD_SECONDS = 1.0


class Transactions:
    def __init__(self, database: Database, node_id: str = "") -> None:
        self._database = database
        self._outcomes = Outcomes(database)
        self.node_id = node_id

    def begin(self, claim: Claim) -> JobTransaction:
        """Opens a connection of its own and begins; on a database with one writer, that writer is now held.

        Raises DatabaseUnavailable (DatabaseBusy after half a minute) when it can't be had.
        """
        connection = self._database.connect()
        try:
            with self._database.translated():
                self._database.begin_write(connection, patience=PATIENT)
        except BaseException:
            connection.close()
            raise
        return JobTransaction(self._database, self._outcomes, connection, claim, self.node_id)


class JobTransaction:
    """One run's transaction. It ends with exactly one of `commit` and `rollback`."""

    def __init__(
        self, database: Database, outcomes: Outcomes, connection: Connection, claim: Claim, node_id: str
    ) -> None:
        self.connection = connection
        self._database = database
        self._outcomes = outcomes
        self._claim = claim
        self._node_id = node_id
        self._begun = time.monotonic()

    def translated(self) -> AbstractContextManager[None]:
        """Within it, a connection that breaks raises DatabaseUnavailable; a statement's fault passes."""
        return self._database.translated()

    def checkpoint(self, data: Any) -> None:
        """Part of the transaction: it commits with the outcome."""
        with self._database.translated():
            self._outcomes.checkpoint(self.connection, self._claim.job_id, self._claim.run_id, data)

    def commit(self, outcome: Outcome) -> bool:
        """Writes the guarded outcome and commits; False: the claim was lost and everything is rolled back.

        Raises DatabaseUnavailable when it could not be committed: then nothing of it is there. A commit whose
        fate is unknown is read back until the database answers.
        """
        try:
            with self._database.translated():
                now = self._database.now()
                accepted = self._outcomes.apply(self.connection, [(self._claim, outcome)], self._node_id, now)
                if not accepted:
                    self.connection.rollback()
                    return False
                self._database.commit(self.connection)
        except CommitUnknown:
            return self._was_committed()
        finally:
            self._end()
        return True

    def rollback(self) -> None:
        try:
            self.connection.rollback()
        finally:
            self._end()

    def _end(self) -> None:
        held = time.monotonic() - self._begun
        if self._database.dialect.one_writer and held > LONG_HOLD_SECONDS:
            log.warning(
                "task %s (job %s) held the database's one writer for %.1f s; shorten its ctx.transaction()",
                self._claim.task,
                self._claim.job_id,
                held,
                extra=about(self._claim),
            )
        self.connection.close()

    def _was_committed(self) -> bool:
        delay = 0.1
        while True:
            try:
                with self._database.read() as connection:
                    found = connection.execute(
                        select(runs.c.status).where(runs.c.id == self._claim.run_id)
                    ).scalar()
            except DatabaseMoved:
                raise
            except DatabaseUnavailable:
                time.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            if found is None:
                raise DatabaseUnavailable(database=self._database.label, reason="the commit did not take effect")
            return bool(found != RunStatus.LOST)  # another node may have been quicker than this look
