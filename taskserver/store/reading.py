"""What people see of jobs: one, a list in the order in which they will start, their output, why one waits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, select, tuple_

from taskserver.clock import to_rfc3339
from taskserver.database import Database
from taskserver.database.schema import clients, jobs, run_output, runs, tasks
from taskserver.jobs import ENDED, Ready, Status
from taskserver.store.clients import client_id
from taskserver.store.errors import JobNotFound
from taskserver.store.explain import Finding, explain
from taskserver.store.rows import OF_TASK, as_dict, shown_title
from taskserver.store.searching import holds

_entries = jobs.alias("entries")


class Reading:
    """The verbs of `store.jobs` that only look."""

    _database: Database

    def get(self, job_id: int) -> dict[str, Any]:
        """The job as a dict of its columns, with "client" and "cron_entry" by name.

        When the row is gone its last run answers: `gone` is True then, and status, result and error are the
        run's. Raises JobNotFound when neither is there.
        """
        with self._database.read() as connection:
            row = connection.execute(self.select_jobs().where(jobs.c.id == job_id, jobs.c.type == "once")).first()
            if row is not None:
                return as_job(row)
            last = connection.execute(
                select(runs, clients.c.name.label("client"))
                .outerjoin(clients, clients.c.id == runs.c.client_id)
                .where(runs.c.job_id == job_id)
                .order_by(runs.c.id.desc())
                .limit(1)
            ).first()
        if last is None:
            raise JobNotFound(job_id=job_id)
        run = as_dict(last)
        progress = 100.0 if run["status"] == "finished" else None
        return {**run, "id": job_id, "run_id": run["id"], "gone": True, "progress": progress, "detail": None}

    def find(
        self,
        *,
        status: Collection[str] | str | None = None,
        client: str | None = None,
        task: str | None = None,
        text: str | None = None,
        entry: int | None = None,
        visible: Collection[int] | None = None,
        limit: int = 100,
        after_id: int | None = None,
    ) -> list[dict[str, Any]]:
        """Jobs as dicts: running ones first, then waiting ones as they will start, then those of the future, then
        the ended ones, the newest first. `after_id` continues behind that job (JobNotFound: it is gone).

        `visible`: ids of the only clients whose jobs are looked at. Raises ClientNotFound.
        """
        wanted: list[ColumnElement[bool]] = [jobs.c.type == "once"]
        if visible is not None:
            wanted.append(jobs.c.client_id.in_(list(visible)))
        if status is not None:
            wanted.append(jobs.c.status.in_([status] if isinstance(status, str) else list(status)))
        if task is not None:
            wanted.append(jobs.c.task == task)
        if entry is not None:
            wanted.append(jobs.c.cron_entry_id == entry)
        if text:
            columns = (jobs.c.title, jobs.c.description, jobs.c.task, jobs.c.error, jobs.c.detail)
            wanted.append(holds(self._database, columns, text))
        key = _start_order()
        with self._database.read() as connection:
            if client is not None:
                wanted.append(jobs.c.client_id == client_id(connection, client))
            if after_id is not None:
                last = connection.execute(select(*key).where(jobs.c.id == after_id)).first()
                if last is None:
                    raise JobNotFound(job_id=after_id)
                wanted.append(tuple_(*key) > tuple_(*last))
            rows = connection.execute(self.select_jobs().where(*wanted).order_by(*key).limit(limit)).all()
        return [as_job(row) for row in rows]

    def output(
        self,
        job_id: int | None = None,
        *,
        run_id: int | None = None,
        after: tuple[int, int] | None = None,
        last: int | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The lines of a run, or of all runs of a job, as dicts of run_id, seq, at, stream, text.

        With both, those of the run if it is one of the job's. `after` is the (run_id, seq) of the last line
        already seen, `last` how many of the last lines are wanted.
        """
        query = select(run_output).limit(limit)
        with self._database.read() as connection:
            if job_id is not None or run_id is None:
                ended = [row.id for row in connection.execute(select(runs.c.id).where(runs.c.job_id == job_id))]
                claim = connection.execute(select(jobs.c.claim).where(jobs.c.id == job_id)).scalar()
                query = query.where(run_output.c.run_id.in_([*ended, *([claim] if claim else [])]))
            if run_id is not None:
                query = query.where(run_output.c.run_id == run_id)
            if after is not None:
                query = query.where(tuple_(run_output.c.run_id, run_output.c.seq) > tuple_(*after))
            if last is None:
                query = query.order_by(run_output.c.run_id, run_output.c.seq)
                return [as_dict(row) for row in connection.execute(query)]
            query = query.order_by(run_output.c.run_id.desc(), run_output.c.seq.desc()).limit(last)
            return [as_dict(row) for row in connection.execute(query)][::-1]

    def explain(
        self,
        job_id: int,
        show: Callable[[datetime], str] = to_rfc3339,
        *,
        dead: Collection[str] = (),
        visible: Collection[int] | None = None,
    ) -> list[Finding]:
        """Why the job does not run now, the strongest reason first; one finding at least. `show` writes times.

        `dead` are boot ids of nodes known to have died, whose leases may not be over yet. `visible`: ids of the
        only clients of whose jobs the findings may tell.
        """
        with self._database.read() as connection:
            return explain(connection, job_id, self._database.now(), show, dead, visible)

    @staticmethod
    def select_jobs() -> Select[Any]:
        """Jobs with the names that belong to them, for `as_job`."""
        return (
            select(
                jobs,
                clients.c.name.label("client"),
                clients.c.login.label("login"),
                _entries.c.name.label("cron_entry"),
                *OF_TASK,
            )
            .outerjoin(clients, clients.c.id == jobs.c.client_id)
            .outerjoin(_entries, _entries.c.id == jobs.c.cron_entry_id)
            .outerjoin(tasks, tasks.c.name == jobs.c.task)
        )


def as_job(row: Any) -> dict[str, Any]:
    """A row of `select_jobs` as everybody gets it."""
    job = as_dict(row)
    job["title"] = shown_title(job)
    job["gone"] = False
    return job


def _start_order() -> list[ColumnElement[Any]]:
    """Ascending sort keys: the order that people expect, and that keyset pages can go on from."""
    ended = jobs.c.status.in_(ENDED)
    queued = and_(jobs.c.status == Status.WAITING, jobs.c.ready.is_not(None))
    rank = case((ended, 3), (queued, 1), (jobs.c.status == Status.WAITING, 2), else_=0)
    by_hand = case((jobs.c.ready == Ready.BY_HAND, 0), else_=1)
    return [
        rank.label("rank"),
        by_hand.label("by_hand"),
        case((ended, 0), else_=-jobs.c.priority).label("by_priority"),
        case((ended, 0), else_=jobs.c.position).label("by_position"),
        case((ended, -jobs.c.id), else_=jobs.c.id).label("by_id"),
    ]
