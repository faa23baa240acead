"""The one transaction of a run in the job database: opened when the task first asks, ended with the run.

Used by the run's thread alone. What a block of `ctx.transaction()` wrote is kept together with the outcome or
not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from taskserver.jobs import Outcome
from taskserver.tasks import TransactionLost

if TYPE_CHECKING:
    from sqlalchemy import Connection


class JobTransaction(Protocol):
    """What `store.transactions.begin(claim)` returns."""

    @property
    def connection(self) -> Connection: ...

    def checkpoint(self, data: Any) -> None: ...

    def translated(self) -> AbstractContextManager[None]:
        """Within it, errors of a database that is away arrive as DatabaseUnavailable."""

    def commit(self, outcome: Outcome) -> bool:
        """Writes the guarded outcome and commits both. False: the claim was lost, all is rolled back.

        An error means that nothing was committed. It ends the transaction in every case.
        """

    def rollback(self) -> None: ...


class RunTransaction:
    """Begins at most one transaction at a time; keeps in mind whether a block of it has failed."""

    def __init__(self, begin: Callable[[], JobTransaction]) -> None:
        self._begin = begin
        self._open: JobTransaction | None = None
        self._depth = 0
        self._blocks_left = 0
        self._failed = False

    @property
    def is_open(self) -> bool:
        return self._open is not None

    @contextmanager
    def block(self) -> Iterator[Connection]:
        """A block of the task. Blocks in one run, also nested ones, share the connection.

        An error that leaves a block dooms the transaction. It is rolled back when the outermost block is left;
        when an earlier block's writes are lost with it, or the error was swallowed on the way, the run can no
        longer finish and TransactionLost is raised.
        """
        self.check()
        if self._open is None:
            self._open = self._begin()
        self._depth += 1
        try:
            with self._open.translated():
                yield self._open.connection
            self.check()
            self._blocks_left += self._depth == 1
        except BaseException:
            self._failed = True
            raise
        finally:
            self._depth -= 1
            if self._failed and self._depth == 0:
                self._forget()

    def _forget(self) -> None:
        """Roll back. Without an earlier block nothing but this block's writes is lost: it may be tried again."""
        self.rollback()
        self._failed = self._blocks_left > 0

    def checkpoint(self, data: Any) -> None:
        """Keep the checkpoint with the open transaction."""
        assert self._open is not None  # noqa: S101
        self._open.checkpoint(data)

    def commit(self, outcome: Outcome) -> bool:
        """Commit with the outcome, if a transaction is open. False: the claim was lost. Raises TransactionLost."""
        self.check()
        assert self._open is not None  # noqa: S101
        transaction, self._open = self._open, None
        return transaction.commit(outcome)

    def check(self) -> None:
        """Raises TransactionLost when writes of a block that was left normally have been rolled back."""
        if self._failed:
            raise TransactionLost

    def rollback(self) -> None:
        """Drop everything that is not committed. Safe to call at any time."""
        transaction, self._open = self._open, None
        if transaction is not None:
            transaction.rollback()
