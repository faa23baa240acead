"""The dispatcher's loop. It owns its thread and the database's hot path; it refuses to know how a job is run.

Each turn is one transaction of the store. Between turns it sleeps until somebody wakes it, something falls due, or
the poll interval is over. A database that is busy postpones the turn; one that is gone is tried again with
backoff: what was claimed or has ended meanwhile is kept and recorded afterwards.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from taskserver.clock import system_clock
from taskserver.database import CommitUnknown, DatabaseBusy, DatabaseMoved, DatabaseUnavailable
from taskserver.dispatcher.beat import Beat
from taskserver.dispatcher.drain import Drain
from taskserver.dispatcher.steps import tell_turn
from taskserver.dispatcher.view import Pace, View
from taskserver.dispatcher.wakeup import Wakeup
from taskserver.errors import TaskServerError
from taskserver.executors import Done, Pool
from taskserver.jobs import Claim, Outcome, Reason, Report
from taskserver.log_fields import about
from taskserver.store import Capacity, Dispatch, Turn, Work
from taskserver.store.outcomes import Ending

log = logging.getLogger("taskserver.dispatcher")

PULSE_SECONDS = 0.5
"""How often progress and output of running jobs are sent."""

CHORE_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 10.0
BUSY_SECONDS = 0.01
LONG_BUSY_SECONDS = 5.0
GIVE_UP_SECONDS = 10.0
"""How long a node that goes down tries to tell a database that does not answer."""


class Dispatcher:
    """One per daemon. `run` is the thread's body; `wake`, `drain`, `abandon` may be called from any thread."""

    def __init__(
        self,
        dispatch: Dispatch,
        pool: Pool,
        wakeup: Wakeup,
        capacity: Capacity,
        pace: Pace,
        *,
        ended: SimpleQueue[Done],
        chores: Callable[[], None] = lambda: None,
        heartbeat: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        beat: Beat | None = None,
        memory: Callable[[], int | None] = lambda: None,
    ) -> None:
        """`capacity` names the node; `chores` is called about once a minute, `heartbeat` after each heartbeat,
        `changed` when the view or the number of running jobs is another than before. `memory` is told with each
        heartbeat."""
        self.pace = pace
        self.view = View()
        self._dispatch = dispatch
        self._pool = pool
        self._wakeup = wakeup
        self._capacity = capacity
        self._ended = ended
        self._chores = chores
        self._after_heartbeat = heartbeat
        self._changed = changed
        self._beat = beat or Beat()
        self._memory = memory
        self._told: object = None
        self._drain = Drain(pool)
        self._endings: list[Ending] = []
        self._reports: list[Report] = []
        self._stopping: set[int] = set()
        self._killed: set[int] = set()
        self._given_up: set[int] = set()
        self._unsettled = True
        """After a failure, and at the start: what we hold must be compared with what the database says."""
        self._backoff = 0.0
        self._busy_since: float | None = None
        self._next_heartbeat = 0.0
        self._next_chores = time.monotonic() + CHORE_SECONDS
        self._next_pulse = 0.0
        self._publish: Callable[[], None] | None = None
        self._counted = False
        self._next_expiry: float | None = None
        self._next_count = 0.0
        self._planned: float = 0.0
        """When the next turn is due even if nobody wakes us (monotonic)."""

    def wake(self) -> None:
        self._wakeup.wake()

    def drain(self, seconds: float) -> None:
        """Claim nothing more; after `seconds` ask running jobs to stop, then release them."""
        self._drain.begin(seconds)
        self.wake()

    def abandon(self) -> None:
        """The same at once."""
        self._drain.at_once()
        self.wake()

    @property
    def draining(self) -> bool:
        return self._drain.begun

    def reconfigure(self, capacity: Capacity, pace: Pace, publish: Callable[[], None]) -> None:
        """Other tasks or another pace from the next turn on; `publish` is called before it, in this thread."""
        self._capacity, self.pace, self._publish = capacity, pace, publish
        self.wake()

    def take_one(self, job_id: int) -> bool:
        """Claims this one job and runs it, whatever else waits; False when it can't be had."""
        claim = self._dispatch.take_one(job_id, self._capacity)
        if claim is not None:
            self._submit(claim)
        return claim is not None

    def run(self) -> None:
        """Until drained. Leaves nothing claimed if the database lets it.

        Raises DatabaseMoved: claims and outcomes of the database that was are worth nothing in another one.
        """
        try:
            with self._beat.waiting_for_database():
                self._wakeup.listen()
            while not self._finished():
                self._beat.strike()
                delay = self._try_turn()
                self._tell_change()
                self._sleep(delay)
        finally:
            self.close()

    def close(self) -> None:
        """Gives its connections up; `run` does so by itself."""
        self._wakeup.deafen()
        self._dispatch.close()

    def _finished(self) -> bool:
        if not self._drain.begun:
            return False
        # Asked in this order: what is not running any more has handed its outcome on.
        idle = self._drain.released or not self._pool.running()
        self._take_ended()
        if idle and not self._endings and not self._reports:
            return True
        return self._drain.hopeless(GIVE_UP_SECONDS) and self.view.database != "ok"

    def _sleep(self, delay: float) -> None:
        """Until the delay is over, or a wake brings something to do."""
        deadline = time.monotonic() + delay
        while (left := deadline - time.monotonic()) > 0:
            self._beat.strike()
            woken = self._wakeup.sleep(self._beat.bounded(left))
            if woken:
                log.debug("woken")
            if woken and not self._backoff:
                self._planned, self._counted = 0.0, False
            if not self._backoff or self._drain.begun:
                return  # wakes do not hurry a database that is gone

    def _try_turn(self) -> float:
        """One turn, or the decision that none is needed; seconds to sleep."""
        self._take_ended()
        self._next_expiry = self._pool.expire()
        try:
            self._dispatch.require_in_place()
            if not self._is_due():
                return self._until_due()
            if time.monotonic() >= self._next_heartbeat:
                # This node may have slept for longer than its lease: others have its jobs then.
                self._unsettled = True
                if not self._backoff:  # else that is done once the database answers
                    with self._beat.waiting_for_database():
                        self._wakeup.keep_listening()
            self._settle()
            self._tell_tasks()
            delay = self._turn()
            self._recovered()
        except DatabaseBusy:
            return self._postponed()
        except DatabaseMoved:
            raise
        except (DatabaseUnavailable, TaskServerError) as error:
            return self._unavailable(error)
        except Exception:
            # The service loop: whatever went wrong, the next turn may go right, and jobs must not be lost.
            log.exception("a turn of the dispatcher failed")
            return self._unavailable(None)
        return delay

    def _is_due(self) -> bool:
        """Whether a turn has anything to do. A look at the file's version replaces most turns of an idle node."""
        now = time.monotonic()
        self._release(self._drain.advance())
        if self._unsettled or self._endings or now >= min(self._planned, self._next_heartbeat):
            return True
        if now >= self._next_pulse:
            self._next_pulse = now + PULSE_SECONDS
            self._reports += self._pool.reports()
            if self._reports:
                return True
        with self._beat.waiting_for_database():
            changed = self._dispatch.changed()
        self._counted = self._counted and not changed
        return changed

    def _until_due(self) -> float:
        now = time.monotonic()
        moments = [self._planned, self._next_heartbeat, now + self.pace.poll_seconds]
        if self._pool.running():
            moments.append(self._next_pulse)
        if self._next_expiry is not None:
            moments.append(now + self._next_expiry)
        waits = [moment - now for moment in moments]
        if self._drain.begun:
            waits.append(self._drain.patience())
        return max(0.0, min(waits))

    def _tell_change(self) -> None:
        view = self.view
        seen = (len(self._pool.running()), view.waiting, view.autostart, view.claiming, view.database)
        if seen != self._told:
            self._told = seen
            self._changed()

    def _tell_tasks(self) -> None:
        """After a reload; tried again when the database is away."""
        publish = self._publish
        if publish is not None:
            with self._beat.waiting_for_database():
                publish()
            log.debug("the reloaded tasks are published; %d slots", self._pool.size)
            if self._publish is publish:
                self._publish = None

    def _settle(self) -> None:
        """Compares what we hold with what the database says: after a failure either side may know more."""
        if not self._unsettled:
            return
        before = {job.run_id for job in self._pool.running()} | {claim.run_id for claim, _ in self._endings}
        with self._beat.waiting_for_database():
            held = {claim.run_id: claim for claim in self._dispatch.own_claims(self._capacity.node)}
        mine = {job.run_id for job in self._pool.running()}
        self._take_ended()
        ended = {claim.run_id for claim, _ in self._endings}
        self._pool.claims_lost(mine - ended - set(held))
        # What was running before we asked may have ended since, together with a transaction of its own.
        for run_id in set(held) - before - mine - ended - self._given_up:
            claim = held[run_id]
            text = "job %s was claimed by a commit that broke off; it runs now"
            log.info(text, claim.job_id, extra=about(claim))
            self._submit(claim)
        self._unsettled = False

    def _turn(self) -> float:
        now = time.monotonic()
        self._reports += self._pool.reports()
        beat = now >= self._next_heartbeat
        count = not self._counted and now >= self._next_count
        work = Work(
            endings=list(self._endings),
            reports=list(self._reports),
            heartbeat=beat,
            memory=self._memory() if beat else None,
            count=count,
        )
        self._capacity.free = 0 if self._drain.begun else self._pool.free
        with self._beat.waiting_for_database():
            turn = self._dispatch.turn(work, self._capacity)
        if count:  # a turn that was postponed has counted nothing
            self._counted, self._next_count = True, now + PULSE_SECONDS
        self._settled(work, turn)
        tell_turn(work, turn, time.monotonic() - now)
        if beat:
            self._next_heartbeat = now + self.pace.heartbeat_seconds
            self._after_heartbeat()
        if now >= self._next_chores and not self._drain.begun:
            self._next_chores = now + CHORE_SECONDS
            self._chores()
        return self._plan(turn)

    def _settled(self, work: Work, turn: Turn) -> None:
        """The turn is committed: forget what it has recorded, pass on what it has found."""
        del self._endings[: len(work.endings)]
        del self._reports[: len(work.reports)]
        ended = {claim.run_id for claim, _ in work.endings}
        for claim, _ in work.endings:
            if claim.run_id in turn.lost:
                text = "the claim of run %s was lost: its outcome is not recorded"
                log.warning(text, claim.run_id, extra=about(claim))
        self._pool.claims_lost(turn.lost - ended)
        self._pool.checkpoints_committed(
            report.run_id for report in work.reports if report.has_checkpoint and report.run_id not in turn.lost
        )
        for claim in turn.claims:
            self._submit(claim)
        for run_id in turn.stops - self._stopping:
            self._pool.stop(run_id, Reason.STOPPED)
        for run_id in turn.kills - self._killed:
            self._pool.kill(run_id)
        self._stopping, self._killed = turn.stops | turn.kills, turn.kills
        self.view.autostart, self.view.claiming = turn.autostart, turn.claiming
        self.view.last_turn_at = system_clock()
        if turn.waiting is not None:
            self.view.waiting = turn.waiting
        if turn.claims or work.endings:
            self._counted = False

    def _submit(self, claim: Claim) -> None:
        """A job without a title of its own has its task's, with its data filled in, or else its task's name."""
        if not claim.title and claim.task in self._pool.registry:
            title = self._pool.registry.get(claim.task).render_title(claim.data)
            claim = replace(claim, title=title or claim.task)
        self._pool.submit(claim)

    def _plan(self, turn: Turn) -> float:
        """When to turn again without being woken."""
        now = time.monotonic()
        if turn.again:
            self._planned = 0.0
            return 0.0
        waits = [PULSE_SECONDS if not self._counted else 3600.0]
        if turn.contended:
            waits.append(0.02)
        if turn.next_due is not None:
            waits.append(turn.next_due.total_seconds())
        self._planned = now + min(waits)
        self._next_pulse = now + PULSE_SECONDS
        return self._until_due()

    def _take_ended(self) -> None:
        while True:
            try:
                done = self._ended.get_nowait()
            except Empty:
                return
            if done.stored:
                self._counted = False
            else:
                self._end(done.claim, done.outcome)
            self._planned = 0.0

    def _end(self, claim: Claim, outcome: Outcome) -> None:
        if claim.run_id not in self._given_up:
            self._endings.append((claim, outcome))

    def _release(self, claims: list[Claim]) -> None:
        """What did not stop runs again; whatever it still does, nothing of it will be recorded."""
        self._take_ended()
        ended = {claim.run_id for claim, _ in self._endings}
        for claim in claims:
            if claim.run_id not in ended:
                self._end(claim, Outcome.released())
                self._given_up.add(claim.run_id)

    def _recovered(self) -> None:
        if self.view.database != "ok":
            log.warning("the database answers again")
            self.view.database = "ok"
            with self._beat.waiting_for_database():
                self._wakeup.listen()
        self._backoff = 0.0
        self._busy_since = None

    def _postponed(self) -> float:
        """Another writer is in the file: the turn waits, jobs go on running."""
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        if now - self._busy_since > LONG_BUSY_SECONDS and self.view.database == "ok":
            self.view.database = "locked"
            log.warning("the database has been locked by another writer for %.0f s", now - self._busy_since)
        return BUSY_SECONDS

    def _unavailable(self, error: TaskServerError | None) -> float:
        """Say it once, forget nothing, try again later and later."""
        text = str(error) if error is not None else "a turn failed"
        if self.view.database == "ok" and error is not None:
            log.error("%s; trying again, running jobs go on", text)
        self.view.database = text
        if isinstance(error, CommitUnknown) and not self._backoff:
            log.warning("whether the last commit took effect will be read back")
        self._unsettled = True
        self._stopping.clear()
        self._killed.clear()
        self._dispatch.close()
        self._wakeup.deafen()
        self._backoff = min(max(self._backoff * 2, FIRST_BACKOFF_SECONDS), LONGEST_BACKOFF_SECONDS)
        self._release(self._drain.advance())
        return min(self._backoff, self._drain.patience()) if self._drain.begun else self._backoff
