"""How a run that has ended counts: pure functions from what happened to an `Outcome`.

The retry policy lives here: exponential backoff with jitter while attempts remain.
"""

from __future__ import annotations

import json
import traceback
from datetime import timedelta
from random import random
from types import FrameType, TracebackType
from typing import Any

from taskserver.database import DatabaseUnavailable
from taskserver.errors import TaskServerError
from taskserver.executors.storable import (
    ERROR_BYTES,
    RESULT_BYTES,
    TRACEBACK_BYTES,
    storable,
    text_of,
)
from taskserver.jobs import Claim, Outcome, Reason
from taskserver.tasks import Fail, InvalidArguments, Retry, Stopped, Task, TimedOut

JITTER = 0.25
LAST_FRAMES = 50


class Refused(Exception):
    """The stored arguments do not fit the task. Not the same as an InvalidArguments that a task itself raises."""


def bound(task: Task, claim: Claim) -> dict[str, Any]:
    """The arguments of the run. Raises Refused."""
    try:
        return task.bind(claim.data)
    except InvalidArguments as error:
        raise Refused(str(error)) from None


def finished(result: object, **measured: Any) -> Outcome:
    """The task returned `result`: a text stays as it is, of a dict or list its JSON is kept."""
    return Outcome.finished(None if result is None else storable(_kept_text(result), RESULT_BYTES), **measured)


def _kept_text(result: object) -> str:
    if isinstance(result, dict | list):
        try:
            return json.dumps(result, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            pass  # it holds what JSON has no form for
    return text_of(result)


def asked_to_stop(reason: Reason, task: Task, claim: Claim, **measured: Any) -> Outcome:
    """The run ended because it was asked to, for this reason."""
    if reason is Reason.TIMEOUT:
        limit = task.timeout.total_seconds() if task.timeout else 0
        return failed(f"ran longer than its limit of {limit:g} s", task, claim, reason=Reason.TIMEOUT, **measured)
    if reason in (Reason.DRAINED, Reason.LOST):
        return Outcome.released(reason=reason, **measured)
    return Outcome.stopped(reason=reason, **measured)


def failed(
    error: str,
    task: Task,
    claim: Claim,
    *,
    reason: Reason = Reason.ERROR,
    after: timedelta | None = None,
    for_good: bool = False,
    **measured: Any,
) -> Outcome:
    """The run failed: another attempt follows while there are any, after `after` or by the task's policy."""
    error = storable(error, ERROR_BYTES)
    attempts = claim.max_attempts if claim.max_attempts is not None else task.max_attempts
    if for_good or claim.attempt + 1 >= attempts:
        return Outcome.failed(error, reason=reason, **measured)
    wait = backoff(task, claim.attempt) if after is None else max(after, timedelta(0))
    return Outcome.retry(error, after=wait, reason=reason, **measured)


def backoff(task: Task, failures: int) -> timedelta:
    """The wait after this many earlier failures: retry_delay doubled each time, a quarter more or less."""
    longest = task.retry_max_delay.total_seconds()
    wait = min(task.retry_delay.total_seconds() * 2.0 ** min(failures, 60), longest)
    return timedelta(seconds=min(wait * (1 - JITTER + 2 * JITTER * random()), longest))  # noqa: S311


def raised(error: BaseException, stop_reason: Reason | None, task: Task, claim: Claim, **measured: Any) -> Outcome:
    """The task raised `error` while it was asked to stop for `stop_reason`, if at all."""
    if isinstance(error, Stopped) and stop_reason is not None:
        return asked_to_stop(stop_reason, task, claim, **measured)
    if isinstance(error, Refused):
        return failed(text_of(error), task, claim, reason=Reason.ARGUMENTS, for_good=True, **measured)
    if isinstance(error, DatabaseUnavailable):
        # Nothing was committed, and the task is not to blame: no attempt is used up.
        return Outcome.postponed(storable(text_of(error), ERROR_BYTES), after=backoff(task, 0), **measured)
    if isinstance(error, Retry):
        message = text_of(error) or "the task asked to be run again"
        return failed(message, task, claim, after=error.after, **measured)
    measured["traceback"] = frames_of(error)
    if isinstance(error, Fail):
        return failed(text_of(error) or "the task failed", task, claim, for_good=True, **measured)
    return failed(_with_root_cause(error), task, claim, reason=_reason(error), **measured)


def _reason(error: BaseException) -> Reason:
    if isinstance(error, MemoryError):
        return Reason.MEMORY
    return Reason.TIMEOUT if isinstance(error, TimedOut) else Reason.ERROR


def _with_root_cause(error: BaseException) -> str:
    """What was raised, and in its first line, which lists show, what that was raised from in the end."""
    root, known = error, {id(error)}
    while root.__cause__ is not None and id(root.__cause__) not in known:
        root = root.__cause__
        known.add(id(root))
    if root is error:
        return sentence(error)
    first, line_end, others = sentence(error).partition("\n")
    cause = sentence(root).partition("\n")[0]
    return f"{first} (cause: {cause}){line_end}{others}"


def sentence(error: BaseException) -> str:
    """One line about an error: its class and its text."""
    if isinstance(error, SystemExit):
        return f"the task called sys.exit({text_of(error.code)})"
    if isinstance(error, Stopped):
        return f"the task raised {type(error).__name__} though nobody asked it to stop"
    if isinstance(error, TaskServerError):
        return text_of(error)
    text = text_of(error)
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


def frames_of(error: BaseException) -> str:
    """The traceback from the task's own first frame on, bounded: its last frames and its last lines."""
    own = _skip_ours(error.__traceback__)
    lines = traceback.TracebackException(type(error), error, own, limit=-LAST_FRAMES).format()
    text = "".join(line if len(line) <= ERROR_BYTES else line[:ERROR_BYTES] + "…\n" for line in lines)
    if len(text) > TRACEBACK_BYTES // 4:
        text = "…\n" + text[-(TRACEBACK_BYTES // 4) :]
    return storable(text, TRACEBACK_BYTES)


def _skip_ours(frames: TracebackType | None) -> TracebackType | None:
    first = frames
    while frames is not None and _is_ours(frames.tb_frame):
        frames = frames.tb_next
    return frames if frames is not None else first


def _is_ours(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith(("taskserver.executors.", "asyncio.")) or module == "contextlib"
