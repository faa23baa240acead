"""What people do with jobs: start, stop, kill, move, delete. Every change is guarded by the status it needs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from taskserver.database import Database
from taskserver.database.schema import jobs, tasks
from taskserver.jobs import ENDED, LIVE, Ready, Status, sources
from taskserver.store.clients import client_id
from taskserver.store.errors import (
    CannotMove,
    IsCronEntry,
    JobNotFound,
    OnlyCommandsAreKilled,
    UniqueKeyTaken,
    WrongStatus,
)
from taskserver.store.occurrences import insert_by_hand, release_next


class Control:
    """The verbs of `store.jobs` that change one job or many."""

    _database: Database

    def start(self, job_id: int) -> None:
        """By hand: a waiting job comes before all others, one that ended runs again.

        stopped | failed | finished -> waiting: attempt and crashes are reset, the checkpoint is kept, so that a
        stopped or failed job goes on where it was; a finished one begins anew.
        """
        with self._database.write() as connection:
            self._start(connection, self._job(connection, job_id))

    def run(self, number: int) -> int:
        """Starts by hand what bears this number: a job, unless it runs already, or a new job of a cron entry.

        Returns the id of the job. Raises JobNotFound, UniqueKeyTaken.
        """
        with self._database.write() as connection:
            found = self._locked(connection, number)
            if found.type == "interval":
                return insert_by_hand(connection, found, self._database.now())
            if found.status not in (Status.RUNNING, Status.STOPPING):
                self._start(connection, found)
            return number

    def _start(self, connection: Connection, job: Any) -> None:
        now = self._database.now()
        by_hand = {"ready": Ready.BY_HAND, "next_run_at": None, "start_requested_at": now, "active": True}
        if job.status == Status.WAITING:
            self._change(connection, job, "started", {Status.WAITING}, by_hand)
            return
        again = {
            **by_hand,
            "status": Status.WAITING,
            "attempt": 0,
            "crashes": 0,
            "error": None,
            "result": None,
            "stop_requested_at": None,
            "kill_requested_at": None,
            "ended_at": None,
        }
        if job.status == Status.FINISHED:
            again |= {"checkpoint": None, "progress": None, "detail": None}
        try:
            with connection.begin_nested():
                self._change(connection, job, "started", sources(Status.WAITING) & ENDED, again)
        except IntegrityError:
            raise self._unique_key_taken(connection, job) from None

    def stop(self, job_id: int) -> Status:
        """waiting -> stopped at once; running -> stopping: it is asked. Returns the status it has now."""
        with self._database.write() as connection:
            job = self._job(connection, job_id)
            return self._stop(connection, job)

    def _stop(self, connection: Connection, job: Any) -> Status:
        now = self._database.now()
        if job.status == Status.STOPPING:
            return Status.STOPPING
        if job.status == Status.WAITING:
            ended = {"status": Status.STOPPED, "ready": None, "stop_requested_at": now, "ended_at": now}
            self._change(connection, job, "stopped", {Status.WAITING}, ended)
            self._release_next(connection, job)
            return Status.STOPPED
        asked = {"status": Status.STOPPING, "stop_requested_at": now}
        self._change(connection, job, "stopped", {Status.RUNNING}, asked)
        return Status.STOPPING

    def kill(self, job_id: int) -> None:
        """running | stopping -> stopping, and the command's processes are killed. Raises OnlyCommandsAreKilled."""
        with self._database.write() as connection:
            job = self._job(connection, job_id)
            kind = connection.execute(select(tasks.c.kind).where(tasks.c.name == job.task)).scalar()
            running = {Status.RUNNING, Status.STOPPING}
            if job.status in running and kind != "command":
                raise OnlyCommandsAreKilled(job_id=job_id)
            now = self._database.now()
            asked = {
                "status": Status.STOPPING,
                "stop_requested_at": job.stop_requested_at or now,
                "kill_requested_at": now,
            }
            self._change(connection, job, "killed", running, asked)

    def delete(self, job_id: int) -> bool:
        """True: it is gone. False: it runs, was asked to stop, and goes when it has ended."""
        with self._database.write() as connection:
            return self._delete(connection, self._job(connection, job_id))

    def _delete(self, connection: Connection, job: Any) -> bool:
        if job.claim is not None:
            self._stop(connection, job)
            wish = {"delete_requested_at": self._database.now()}
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(wish))
            return False
        connection.execute(delete(jobs).where(jobs.c.id == job.id, jobs.c.claim.is_(None)))
        self._release_next(connection, job)
        return True

    @staticmethod
    def _release_next(connection: Connection, job: Any) -> None:
        """The job of a cron entry that is held behind this one waits no longer."""
        if job.cron_entry_id is not None:
            release_next(connection, job.cron_entry_id)

    def delete_finished(self, client: str | None = None, *, visible: Collection[int] | None = None) -> int:
        """Removes finished jobs; their runs stay. Returns how many. `visible`: ids of the only clients meant."""
        with self._database.write() as connection:
            mine = self._of_client(connection, client, visible)
            finished = delete(jobs).where(jobs.c.type == "once", jobs.c.status == Status.FINISHED, *mine)
            return connection.execute(finished).rowcount

    def delete_all(self, client: str | None = None, *, visible: Collection[int] | None = None) -> int:
        """Removes every job that does not run and asks the others to stop and go. Cron entries are untouched."""
        with self._database.write() as connection:
            mine = self._of_client(connection, client, visible)
            idle = delete(jobs).where(jobs.c.type == "once", jobs.c.claim.is_(None), *mine)
            count = connection.execute(idle).rowcount
            running = connection.execute(
                select(jobs).where(jobs.c.type == "once", jobs.c.claim.is_not(None), *mine)
            ).all()
            for job in running:
                self._delete(connection, job)
            return count + len(running)

    def move(self, job_id: int, where: str) -> bool:
        """Among the waiting jobs of its client: "up", "down", "first", "last"; it takes on the priority there.

        A job whose turn may come moves among those of which that is so too, and that were started by hand as it
        was, or not; any other gets its place for the time when it is due. False: it stands there already.
        """
        with self._database.write() as connection:
            job = self._job(connection, job_id)
            if job.status != Status.WAITING:
                raise CannotMove(job_id=job_id, status=job.status)
            neighbour = self._neighbour(connection, job, where)
            if neighbour is None:
                return False
            if where in ("first", "last"):
                position = neighbour.position + (-1 if where == "first" else 1)
                self._place(connection, job, neighbour.priority, position)
            else:
                self._step(connection, job, neighbour, ahead=where == "up")
            return True

    def _neighbour(self, connection: Connection, job: Any, where: str) -> Any:
        key = tuple_(-jobs.c.priority, jobs.c.position, jobs.c.id)
        mine = tuple_(-job.priority, job.position, job.id)
        ahead = where in ("up", "first")
        query = select(jobs).where(
            jobs.c.client_id == job.client_id,
            jobs.c.status == Status.WAITING,
            jobs.c.type == "once",
            key < mine if ahead else key > mine,
            *([] if job.ready is None else [jobs.c.ready == job.ready]),
        )
        nearest_first = where in ("up", "last")
        order = [-jobs.c.priority, jobs.c.position, jobs.c.id]
        return connection.execute(
            query.order_by(*(column.desc() if nearest_first else column for column in order)).limit(1)
        ).first()

    def _step(self, connection: Connection, job: Any, other: Any, *, ahead: bool) -> None:
        """Puts the job right before its neighbour, or right behind it."""
        if job.priority == other.priority and self._stand_alone(connection, job, other):
            self._place(connection, other, other.priority, job.position)
            self._place(connection, job, job.priority, other.position)
            return
        # Jobs queued at once may share one position or stand without room between them: the neighbour and
        # those on its far side make room.
        room = 1 if ahead else -1
        place, neighbours = tuple_(jobs.c.position, jobs.c.id), tuple_(other.position, other.id)
        connection.execute(
            update(jobs)
            .where(
                *self._same_queue(job, other.priority),
                place >= neighbours if ahead else place <= neighbours,
            )
            .values(position=jobs.c.position + 2 * room)
        )
        self._place(connection, job, other.priority, other.position + room)

    def _stand_alone(self, connection: Connection, job: Any, other: Any) -> bool:
        """Whether no third job shares the position of either, nor they one."""
        there = select(func.count()).where(
            *self._same_queue(job, job.priority), jobs.c.position.in_([job.position, other.position])
        )
        return job.position != other.position and connection.execute(there).scalar_one() == 2

    @staticmethod
    def _same_queue(job: Any, priority: int) -> list[ColumnElement[bool]]:
        return [
            jobs.c.client_id == job.client_id,
            jobs.c.status == Status.WAITING,
            jobs.c.type == "once",
            jobs.c.priority == priority,
        ]

    @staticmethod
    def _place(connection: Connection, job: Any, priority: int, position: int) -> None:
        values = {"priority": priority, "position": position}
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(values))

    @staticmethod
    def _locked(connection: Connection, number: int) -> Any:
        """The row, held until the transaction ends: nobody claims or ends it in between."""
        row = connection.execute(select(jobs).where(jobs.c.id == number).with_for_update()).first()
        if row is None:
            raise JobNotFound(job_id=number)
        return row

    def _job(self, connection: Connection, job_id: int) -> Any:
        job = self._locked(connection, job_id)
        if job.type != "once":
            raise IsCronEntry(job_id=job_id)
        return job

    @staticmethod
    def _change(
        connection: Connection,
        job: Any,
        verb: str,
        needed: set[Status] | frozenset[Status],
        values: dict[str, Any],
    ) -> None:
        guarded = update(jobs).where(jobs.c.id == job.id, jobs.c.status.in_(needed)).values(values)
        if connection.execute(guarded).rowcount == 0:
            raise WrongStatus(job_id=job.id, status=job.status, verb=verb)

    @staticmethod
    def _unique_key_taken(connection: Connection, job: Any) -> UniqueKeyTaken:
        other = connection.execute(
            select(jobs.c.id).where(
                jobs.c.client_id == job.client_id, jobs.c.unique_key == job.unique_key, jobs.c.status.in_(LIVE)
            )
        ).scalar()
        return UniqueKeyTaken(job_id=job.id, other=other, key=job.unique_key)

    @staticmethod
    def _of_client(
        connection: Connection, client: str | None, visible: Collection[int] | None
    ) -> list[ColumnElement[bool]]:
        seen: list[ColumnElement[bool]] = [] if visible is None else [jobs.c.client_id.in_(list(visible))]
        if client is None:
            return seen
        return [*seen, jobs.c.client_id == client_id(connection, client)]

    def counts(self) -> dict[str, int]:
        """How many jobs have each status."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(jobs.c.status, func.count()).where(jobs.c.type == "once").group_by(jobs.c.status)
            ).all()
        found = {row[0]: int(row[1]) for row in rows}
        return {status.value: found.get(status.value, 0) for status in Status}
