"""`--run-job=ID start` while a daemon runs: let it run the job, wait, and end with the job's exit code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from taskserver.cli.output import note
from taskserver.cli.session import Session
from taskserver.daemon import control
from taskserver.errors import EXIT_JOB_FAILED, EXIT_JOB_STOPPED, EXIT_OK
from taskserver.jobs import ENDED, JobType, Status
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.store import Store

EXIT_CODES = {Status.FINISHED: EXIT_OK, Status.FAILED: EXIT_JOB_FAILED, Status.STOPPED: EXIT_JOB_STOPPED}

_LOOK_AGAIN_SECONDS = 0.2


def have_run(session: Session, job_id: int) -> int:
    """Start the job by hand, in the daemon, and wait until it has ended. A cron entry queues a job first."""
    store, socket = session.store, session.settings.users_dir / control.NAME
    job = store.jobs.get(job_id)
    if job.get("type") == JobType.INTERVAL:
        job_id = store.entries.run(job_id)
    elif job["status"] not in (Status.RUNNING, Status.STOPPING):
        store.jobs.start(job_id)
    control.wake(socket)
    job = _ended(store, job_id)
    status = Status(job["status"])
    note(
        translate(
            "job {id}: {status} {result}", id=job_id, status=status.value, result=job.get("result") or ""
        ).strip()
    )
    if job.get("error"):
        note(str(job["error"]))
    return EXIT_CODES[status]


def _ended(store: Store, job_id: int) -> dict[str, Any]:
    while True:
        job = store.jobs.get(job_id)
        if job["status"] in ENDED and not job.get("ready"):
            return job
        time.sleep(_LOOK_AGAIN_SECONDS)
