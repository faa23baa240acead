"""What the node's log says of every run: that it begins, and how it has ended.

Called by the pool in the slots' threads. Neither titles nor data nor results are told, as they may hold anything.
"""

from __future__ import annotations

import logging

from taskserver.executors.storable import storable
from taskserver.jobs import Claim, Outcome, RunStatus, Status
from taskserver.log_fields import about

log = logging.getLogger("taskserver.executors")

SHOWN_BYTES = 1000
"""Of an error; the whole of it stands with the run."""


def begins(claim: Claim) -> None:
    log.info("run %d of job %d begins: %s", claim.run_id, claim.job_id, claim.task, extra=about(claim))


def ended(claim: Claim, outcome: Outcome, seconds: float) -> None:
    if not log.isEnabledFor(level := _level(outcome)):
        return
    how = str(outcome.run_status)
    if outcome.reason is not None and outcome.reason != how:
        how += f" ({outcome.reason})"
    text = f"run %d of job %d {how} after %.1f s"
    if outcome.retry_in is not None:
        text += f", again in {outcome.retry_in.total_seconds():.0f} s"
    arguments: list[object] = [claim.run_id, claim.job_id, seconds]
    if outcome.error:
        text += ": %s"
        arguments.append(storable(outcome.error, SHOWN_BYTES))
    log.log(level, text, *arguments, extra=about(claim))


def _level(outcome: Outcome) -> int:
    if outcome.run_status is not RunStatus.FAILED:
        return logging.INFO
    return logging.ERROR if outcome.job_status is Status.FAILED else logging.WARNING
