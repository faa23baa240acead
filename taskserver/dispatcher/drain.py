"""Going down: running jobs get their time, then are asked to stop, then are released so that they run again.

A small state machine on the monotonic clock; the dispatcher advances it between turns.
"""

from __future__ import annotations

import logging
import threading
import time

from taskserver.executors import Pool
from taskserver.jobs import Claim, Reason
from taskserver.log_fields import about

log = logging.getLogger("taskserver.dispatcher")

STOP_SECONDS = 12.0
"""How long a job that was asked to stop may take: a command's own grace between TERM and KILL fits in."""

KILL_SECONDS = 1.0
"""How long killed commands may take to be gone."""


class Drain:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._ask_at: float | None = None
        self._release_at: float | None = None
        self._asked = False
        self._released = False

    @property
    def begun(self) -> bool:
        return self._ask_at is not None

    def begin(self, seconds: float) -> None:
        """The last word counts, until jobs were asked to stop: that is not taken back."""
        with self._lock:
            now = time.monotonic()
            if self._ask_at is not None and self._ask_at <= now:
                return
            self._ask_at = now + seconds
            self._release_at = self._ask_at + STOP_SECONDS

    def at_once(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._ask_at = min(now, self._ask_at or now)
            self._release_at = now

    @property
    def released(self) -> bool:
        """Whether everything that still ran was given up."""
        return self._released

    def advance(self) -> list[Claim]:
        """Does what is due by now; returns the claims that are to be released."""
        if self._ask_at is None or self._release_at is None:
            return []
        now = time.monotonic()
        if now >= self._ask_at and not self._asked:
            self._asked = True
            self._ask()
        if now >= self._release_at and not self._released:
            self._released = True
            return self._release()
        return []

    def patience(self) -> float:
        """Seconds until `advance` has something to do."""
        now = time.monotonic()
        moments = [
            moment
            for moment, done in ((self._ask_at, self._asked), (self._release_at, self._released))
            if moment is not None and not done
        ]
        return max(0.0, min(moments) - now) if moments else 0.2

    def hopeless(self, seconds: float) -> bool:
        """Whether everything was released `seconds` ago."""
        return self._released and time.monotonic() > (self._release_at or 0.0) + seconds

    def _ask(self) -> None:
        running = self._pool.running()
        if running:
            log.warning("the drain time is over: jobs that still run (%d) are asked to stop", len(running))
        for job in running:
            text = "run %d of job %d is asked to stop: the drain time is over"
            log.info(text, job.run_id, job.job_id, extra=about(job.claim))
            self._pool.stop(job.run_id, Reason.DRAINED)

    def _release(self) -> list[Claim]:
        """Kills what can be killed and gives up on the rest: those run again."""
        self._pool.close()
        deadline = time.monotonic() + KILL_SECONDS
        while time.monotonic() < deadline and self._pool.running():
            time.sleep(0.01)
        left = [job.claim for job in self._pool.running()]
        for claim in left:
            text = "job %d did not stop and is released; it runs again at the next start"
            log.warning(text, claim.job_id, extra=about(claim))
        return left
