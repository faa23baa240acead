"""What `debug = true` tells of a turn: what it has claimed and recorded. Of an idle turn it tells nothing.

Called after the commit, in the dispatcher's thread; without debug it costs one question.
"""

from __future__ import annotations

import logging

from taskserver.log_fields import about
from taskserver.store import Turn, Work

log = logging.getLogger("taskserver.dispatcher")


def tell_turn(work: Work, turn: Turn, seconds: float) -> None:
    if not log.isEnabledFor(logging.DEBUG):
        return
    for claim, outcome in work.endings:
        if claim.run_id not in turn.lost:
            text = "run %d of job %d is recorded as %s; the job is %s"
            told = (claim.run_id, claim.job_id, outcome.run_status, outcome.job_status)
            log.debug(text, *told, extra=about(claim))
    for claim in turn.claims:
        text = "job %d is claimed as run %d: %s"
        log.debug(text, claim.job_id, claim.run_id, claim.task, extra=about(claim))
    for run_id in sorted(turn.stops | turn.kills):
        log.debug("run %d is to be %s", run_id, "killed" if run_id in turn.kills else "stopped")
    did = {
        "claims": len(turn.claims),
        "outcomes": len(work.endings),
        "reports": len(work.reports),
        "lost": len(turn.lost),
        "heartbeat": int(work.heartbeat),
    }
    words = [f"{name} {count}" if name != "heartbeat" else name for name, count in did.items() if count]
    if words:
        waits = (
            "at once"
            if turn.again
            else "none"
            if turn.next_due is None
            else f"{turn.next_due.total_seconds():.1f} s"
        )
        log.debug("turn of %.1f ms: %s; next due: %s", seconds * 1000, ", ".join(words), waits)
