"""`--run-job=ID start` while a daemon runs: let it run the job, wait, and end with the job's exit code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from taskserver.cli.job.view import ending
from taskserver.cli.output import note, print_json
from taskserver.cli.session import Session
from taskserver.daemon import control
from taskserver.errors import EXIT_JOB_FAILED, EXIT_JOB_STOPPED, EXIT_OK
from taskserver.jobs import ENDED, Status

if TYPE_CHECKING:
    from taskserver.store import Store

EXIT_CODES = {Status.FINISHED: EXIT_OK, Status.FAILED: EXIT_JOB_FAILED, Status.STOPPED: EXIT_JOB_STOPPED}

_LOOK_AGAIN_SECONDS = 0.2


def have_run(session: Session, job_id: int) -> int:
    """Start the job by hand, in the daemon, and wait until it has ended. A cron entry queues a job first."""
    store, socket = session.store, session.settings.users_dir / control.NAME
    job_id = store.jobs.run(job_id)
    control.wake(socket)
    job = _ended(store, job_id)
    if session.json:
        print_json(job)
    else:
        note(ending(job_id, job))
    return EXIT_CODES.get(job["status"], EXIT_JOB_FAILED)


def _ended(store: Store, job_id: int) -> dict[str, Any]:
    while True:
        job = store.jobs.get(job_id)
        if job["gone"] or job["status"] in ENDED:
            return job
        time.sleep(_LOOK_AGAIN_SECONDS)
