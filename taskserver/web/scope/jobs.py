"""Jobs through the door."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from taskserver.clock import to_rfc3339
from taskserver.database import DatabaseFault
from taskserver.errors import TaskServerError, UsageError
from taskserver.redaction import redacted
from taskserver.store import Changed, Enqueued, Finding, Page, Place, Role, Wanted
from taskserver.store.errors import JobNotFound
from taskserver.texts import mark
from taskserver.web.redaction import restored
from taskserver.web.scope.door import Door, Row

MOST_AT_ONCE = 1000

_BULK = ("start", "stop", "kill", "delete")
_COLUMNS = frozenset(
    {
        *("title", "description", "priority", "run_at", "unique_key", "unique_for", "max_attempts", "node_id"),
        "active",
    }
)


class TooManyAtOnce(UsageError):
    text = mark("at most {most} jobs can be changed or queued at once, not {count}")


@dataclass(slots=True)
class BulkResult:
    """What became of each job: its number in `done`, or the error that it met."""

    done: list[int] = field(default_factory=list)
    failed: dict[int, TaskServerError] = field(default_factory=dict)


class ScopedJobs:
    """`scope.jobs`. Rows are those of `store.jobs`, without secrets in their data."""

    def __init__(self, door: Door) -> None:
        self._door = door

    # --- looking

    def page(
        self,
        *,
        client: str | None = None,
        status: Collection[str] | None = None,
        task: str | None = None,
        entry: int | None = None,
        text: str | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 50,
        in_turn: bool = False,
    ) -> Page:
        """One page in the order of start; `after` and `before` are places as `Place.write` wrote them.

        `in_turn` as `store.overview.page` has it. Raises PageGone for a place that is none, ClientNotFound.
        """
        page = self._door.store.overview.page(
            self._wanted(client=client, status=status, task=task, entry=entry, text=text),
            after=Place.read(after) if after else None,
            before=Place.read(before) if before else None,
            limit=limit,
            in_turn=in_turn,
        )
        page.rows = [self._door.shown(row) for row in page.rows]
        return page

    def counts(self, *, client: str | None = None, task: str | None = None) -> dict[str, int]:
        """How many have each status, up to `store.overview.COUNTED`. Raises ClientNotFound."""
        return self._door.store.overview.counts(self._wanted(client=client, task=task))

    def get(self, job_id: int) -> Row:
        """Raises JobNotFound. `gone` tells that only its last run is left."""
        return self._door.shown(self._seen(job_id))

    def output(
        self,
        job_id: int,
        *,
        run_id: int | None = None,
        after: tuple[int, int] | None = None,
        last: int | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """As `store.jobs.output` has it; `run_id`: of one of its runs alone."""
        self._seen(job_id)
        lines = self._door.store.jobs.output(job_id, run_id=run_id, after=after, last=last, limit=limit)
        return [self._door.shown(line) for line in lines]

    def explain(self, job_id: int, show: Callable[[datetime], str] = to_rfc3339) -> list[Finding]:
        """Why it does not run, without a word of others' jobs; raises JobNotFound also for one that is gone."""
        self._seen(job_id)
        findings = self._door.store.jobs.explain(job_id, show, visible=self._door.visible)
        return [replace(finding, fact=redacted(finding.fact)) for finding in findings]

    def changes(self, moment: datetime, *, known: Collection[int] = ()) -> Changed:
        """What may have changed since `moment`; `known` are numbers of jobs to look at as well."""
        changed = self._door.store.changes.since(moment, known=known, visible=self._door.visible)
        changed.rows = [self._door.shown(row) for row in changed.rows]
        return changed

    # --- queuing

    def enqueue(
        self,
        task: str,
        data: Mapping[str, Any] | None = None,
        *,
        client: str = "default",
        idempotency_key: str | None = None,
        **columns: Any,
    ) -> Enqueued:
        """Queues one job of a registered task. Needs an operator of the client.

        `columns`: title, description, priority, run_at, unique_key, unique_for, max_attempts, node_id, active.
        A request that is sent again under its `idempotency_key` gets the answer of the first.
        """
        _check_columns(columns)
        door = self._door

        def queue() -> dict[str, Any]:
            row = door.client(client)
            door.require(Role.OPERATOR, row["id"])
            checked = door.checked(task, dict(data or {}))
            queued = door.store.jobs.enqueue(
                task, checked, client=client, created_by=door.principal.actor, **columns
            )
            door.note("job.enqueue", client_id=row["id"], job_id=queued.id, task=task, created=queued.created)
            return {"id": queued.id, "created": queued.created}

        request = ["enqueue", task, dict(data or {}), client, columns]
        with door.acting(wakes=True):
            answer, _ = door.once(idempotency_key, request, queue)
        return Enqueued(answer["id"], created=answer["created"])

    def enqueue_many(
        self,
        task: str,
        data: Sequence[Mapping[str, Any]],
        *,
        client: str = "default",
        idempotency_key: str | None = None,
        **columns: Any,
    ) -> list[int]:
        """Queues one job for each of `data`, all or none; their ids in that order."""
        _check_columns(columns)
        _check_count(len(data))
        door = self._door

        def queue() -> list[int]:
            row = door.client(client)
            door.require(Role.OPERATOR, row["id"])
            checked = [door.checked(task, dict(each)) for each in data]
            ids = door.store.jobs.enqueue_many(
                task, checked, client=client, created_by=door.principal.actor, **columns
            )
            door.note("job.enqueue_many", client_id=row["id"], task=task, jobs=ids)
            return ids

        request = ["enqueue_many", task, [dict(each) for each in data], client, columns]
        with door.acting(wakes=True):
            ids: list[int] = door.once(idempotency_key, request, queue)[0]
        return ids

    def enqueue_again(self, job_id: int, data: Mapping[str, Any], **columns: Any) -> Enqueued:
        """A new job like this one, with other data; secrets that were left hidden are those of the old one."""
        _check_columns(columns)
        door = self._door
        with door.acting(wakes=True):
            job = self._changeable(job_id, gone_too=True)
            checked = door.checked(job["task"], restored(dict(data), job["data"]))
            queued = door.store.jobs.enqueue(
                job["task"], checked, client=job["client"], created_by=door.principal.actor, **columns
            )
            door.note("job.enqueue", client_id=job["client_id"], job_id=queued.id, task=job["task"], like=job_id)
        return queued

    # --- changing

    def start(self, job_id: int) -> None:
        self._act("start", job_id)

    def stop(self, job_id: int) -> None:
        self._act("stop", job_id)

    def kill(self, job_id: int) -> None:
        self._act("kill", job_id)

    def delete(self, job_id: int) -> bool:
        """True: it is gone. False: it was asked to stop, and goes when it has ended."""
        return bool(self._act("delete", job_id))

    def move(self, job_id: int, where: str) -> bool:
        """`where`: up, down, first or last, as `store.jobs.move` has it. False: it stands there already."""
        return bool(self._act("move", job_id, where))

    def bulk(self, verb: str, job_ids: Sequence[int]) -> BulkResult:
        """start, stop, kill or delete of many, in one transaction; one that can't keeps no other back."""
        if verb not in _BULK:
            raise ValueError(verb)
        _check_count(len(job_ids))
        result = BulkResult()
        with self._door.acting(wakes=True):
            for job_id in dict.fromkeys(job_ids):
                try:
                    with self._door.store.together():
                        self._do(verb, job_id)
                    result.done.append(job_id)
                except DatabaseFault:
                    raise
                except TaskServerError as error:
                    result.failed[job_id] = error
        return result

    def delete_finished(self, client: str | None = None) -> int:
        """Of every client in which the principal is an operator, or of one of them; returns how many."""
        return self._delete_many("delete_finished", client)

    def delete_all(self, client: str | None = None) -> int:
        """The same with every job; running ones are asked to stop. Cron entries stay."""
        return self._delete_many("delete_all", client)

    # ---

    def _wanted(self, **conditions: Any) -> Wanted:
        return Wanted(**self._door.filtered(conditions))

    def _seen(self, job_id: int) -> Row:
        job = self._door.store.jobs.get(job_id)
        if not self._door.sees(job["client_id"]):
            raise JobNotFound(job_id=job_id)
        return job

    def _changeable(self, job_id: int, *, gone_too: bool = False) -> Row:
        job = self._seen(job_id)
        self._door.require(Role.OPERATOR, job["client_id"])
        if job["gone"] and not gone_too:
            raise JobNotFound(job_id=job_id)
        return job

    def _act(self, verb: str, job_id: int, *arguments: str) -> Any:
        with self._door.acting(wakes=True):
            return self._do(verb, job_id, *arguments)

    def _do(self, verb: str, job_id: int, *arguments: str) -> Any:
        job = self._changeable(job_id)
        answer = getattr(self._door.store.jobs, verb)(job_id, *arguments)
        detail = {"was": job["status"], **({"where": arguments[0]} if arguments else {})}
        self._door.note(f"job.{verb}", client_id=job["client_id"], job_id=job_id, **detail)
        return answer

    def _delete_many(self, verb: str, client: str | None) -> int:
        door = self._door
        with door.acting(wakes=True):
            door.require_somewhere(Role.OPERATOR)
            client_id = None
            if client is not None:
                client_id = door.client(client)["id"]
                door.require(Role.OPERATOR, client_id)
            mine = door.principal.where(Role.OPERATOR)
            count: int = getattr(door.store.jobs, verb)(client, visible=mine)
            door.note(f"job.{verb}", client_id=client_id, count=count)
        return count


def _check_columns(columns: Mapping[str, Any]) -> None:
    unknown = set(columns) - _COLUMNS
    if unknown:
        raise TypeError(f"no columns to be given: {sorted(unknown)}")


def _check_count(count: int) -> None:
    if count > MOST_AT_ONCE:
        raise TooManyAtOnce(most=MOST_AT_ONCE, count=count)
