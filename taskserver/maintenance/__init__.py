"""Chores beside the dispatcher's work: retention, and forgetting nodes that are long gone.

Called by the dispatcher's thread about once a minute, between two turns; short transactions, so that no turn
waits long.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from taskserver.database import DatabaseBusy
from taskserver.jobs import Status
from taskserver.store import Keep, Store
from taskserver.store.retention import BATCH

log = logging.getLogger("taskserver.maintenance")

NODES_ARE_KEPT = timedelta(days=30)
MOST_BATCHES = 20
"""Per call: the dispatcher has other things to do, the rest goes the next time."""


@dataclass(frozen=True, slots=True)
class KeepJobs:
    finished: Keep
    failed: Keep


def prune(store: Store, keep: KeepJobs) -> int:
    """Removes jobs that are too many or too old; returns how many. Their runs stay."""
    removed = 0
    try:
        for status, limits in ((Status.FINISHED, keep.finished), (Status.FAILED, keep.failed)):
            for _ in range(MOST_BATCHES):
                count = store.retention.prune(status, limits)
                removed += count
                if count < BATCH:
                    break
        store.nodes.forget(NODES_ARE_KEPT)
    except DatabaseBusy:
        log.info("the database is busy: old jobs are removed the next time")
    if removed:
        log.info("%d ended jobs were removed, as the keep_* settings say; their runs stay", removed)
    return removed
