"""Carrying out a Python task in the thread of its slot: this is the task boundary.

Whatever the task does, an outcome comes back. Used by the pool's threads; it refuses to know about slots and
queues.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context as Variables
from threading import Lock, get_ident
from typing import Any

import taskserver.tasks.logs  # noqa: F401 - now, so that no run is interrupted while it imports it
from taskserver.executors import outcomes
from taskserver.executors.run import Run
from taskserver.jobs import Outcome, Reason
from taskserver.log_fields import about, speaking
from taskserver.tasks import Context, Stopped

log = logging.getLogger("taskserver.executors")


class Interruption:
    """Raises an exception into the thread that runs a task, and never into anything else that thread does."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: int | None = None
        self._raised = False

    def begin(self) -> None:
        with self._lock:
            self._thread = get_ident()

    def end(self) -> None:
        """From here on nothing is raised any more; what has not arrived yet is withdrawn."""
        with self._lock:
            raised, self._raised, self._thread = self._raised, False, None
        if raised:
            _withdraw()

    def interrupt(self, error: type[Stopped]) -> bool:
        """Whether there was something to interrupt. It arrives when the thread next executes Python code."""
        with self._lock:
            if self._thread is None:
                return False
            self._raised = True
            _raise_in(self._thread, error)
            return True


class _Withdrawn(BaseException):
    """Takes the place of an exception that is not to arrive."""


def _withdraw() -> None:
    """Whatever is pending in this thread is replaced by an exception that is caught here.

    Taken back without a replacement, CPython 3.11 goes on looking for it for ever, and no thread that is traced
    or profiled gets past the next call.
    """
    try:
        _raise_in(get_ident(), _Withdrawn)
        while True:
            pass
    except _Withdrawn:
        pass


def _raise_in(thread: int, error: type[BaseException]) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def execute(run: Run, interruption: Interruption) -> tuple[Outcome, bool]:
    """The outcome, and whether it is stored already, together with the task's own transaction."""
    before = time.thread_time()
    try:
        try:
            interruption.begin()
            result = Variables().run(_call, run)
        finally:
            interruption.end()
        outcome = outcomes.finished(result, cpu_seconds=time.thread_time() - before)
        return _commit(run, outcome)
    except BaseException as error:  # noqa: BLE001 - the task boundary: also SystemExit and what tasks invent
        interruption.end()
        _roll_back(run)
        spent = time.thread_time() - before
        return outcomes.raised(error, run.stop_reason(), run.task, run.claim, cpu_seconds=spent), False


def _commit(run: Run, outcome: Outcome) -> tuple[Outcome, bool]:
    """Commit the run's transaction with its outcome. Without one the dispatcher stores the outcome."""
    run.own_transaction.check()
    if not run.own_transaction.is_open:
        return outcome, False
    if run.own_transaction.commit(outcome):
        return outcome, True
    text = "run %d: its claim was lost, so its transaction was rolled back"
    log.warning(text, run.run_id, extra=about(run.claim))
    return Outcome.released(reason=Reason.LOST), False


def _roll_back(run: Run) -> None:
    try:
        run.own_transaction.rollback()
    except Exception:  # a dead connection has rolled back by itself
        text = "run %d: the transaction could not be rolled back"
        log.warning(text, run.run_id, exc_info=True, extra=about(run.claim))


def _call(run: Run) -> Any:
    function = run.task.function
    assert function is not None  # noqa: S101
    speaking(run.claim)
    if run.stop_reason() is not None:
        raise Stopped
    arguments = outcomes.bound(run.task, run.claim)
    before = [Context(run.claim, run)] if run.task.takes_context else []
    result = function(*before, **arguments)
    return _run_coroutine(run, result) if inspect.iscoroutine(result) else result


def _run_coroutine(run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """In an event loop of its own; a stop cancels the task at its next await."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        async def main() -> Any:
            this = asyncio.current_task()
            assert this is not None  # noqa: S101
            run.on_stop = _once(lambda: loop.call_soon_threadsafe(this.cancel))
            if (reason := run.stop_reason()) is not None:
                run.on_stop(reason)
            return await coroutine

        try:
            return runner.run(main())
        except asyncio.CancelledError:
            if run.stop_reason() is None:
                raise
            raise Stopped from None


def _once(action: Callable[[], object]) -> Callable[[Reason], None]:
    """A second cancellation would hit the task while it cleans up."""
    done = Lock()

    def act(_: Reason) -> None:
        if done.acquire(blocking=False):
            with suppress(RuntimeError):  # the loop has ended
                action()

    return act
