"""Why a job does not run: every reason that holds, the strongest first, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from taskserver.clock import to_rfc3339
from taskserver.database.schema import clients, jobs, nodes, settings, tasks
from taskserver.jobs import LIVE, Ready, Status
from taskserver.store.errors import JobNotFound
from taskserver.texts import plural, translate


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` never changes and is never translated; `fact` is in the reader's language.

    `cure` says which command helps, where one does: whoever has no shell is told of buttons instead.
    """

    code: str
    fact: str
    cure: str = ""

    @property
    def text(self) -> str:
        return f"{self.fact}; {self.cure}" if self.cure else self.fact


Show = Callable[[datetime], str]


def explain(
    connection: Connection,
    job_id: int,
    now: datetime,
    show: Show = to_rfc3339,
    dead: Collection[str] = (),
    visible: Collection[int] | None = None,
) -> list[Finding]:
    """`dead` are boot ids of nodes that the caller knows to have died, although their leases are not over.

    `visible`: ids of the only clients of whose jobs the reader may learn. What others keep busy is not told:
    then the job simply waits for its turn.
    """
    job = connection.execute(select(jobs).where(jobs.c.id == job_id, jobs.c.type == "once")).first()
    if job is None:
        raise JobNotFound(job_id=job_id)
    if job.status != Status.WAITING:
        return list(_about_its_node(connection, job, dead)) or [_about_status(job, show)]
    findings = list(_obstacles(connection, job, now, show, dead, visible))
    if findings:
        return findings
    if visible is None:
        return [Finding("next", translate("nothing holds it back: it starts with the next free slot"))]
    return [Finding("next", translate("it starts as soon as it is its turn"))]


def _about_its_node(connection: Connection, job: Any, dead: Collection[str]) -> Iterator[Finding]:
    node = connection.execute(select(nodes.c.node_id, nodes.c.boot_id).where(nodes.c.id == job.claimed_by)).first()
    if node is not None and node.boot_id in dead:
        text = translate(
            "its node {node} has died; the job is given back at the next start, or when the lease is over",
            node=node.node_id,
        )
        yield Finding("node_died", text)


def _about_status(job: Any, show: Show) -> Finding:
    since = show(job.started_at) if job.started_at else ""
    facts = {
        Status.RUNNING: translate("it runs, since {since}", since=since),
        Status.STOPPING: translate("it was asked to stop and has not ended yet"),
        Status.STOPPED: translate("it was stopped by hand"),
        Status.FINISHED: translate("it has finished"),
        Status.FAILED: translate("it failed: {error}", error=job.error or "?"),
    }
    cures = {
        Status.STOPPED: translate("`job start` lets it go on"),
        Status.FAILED: translate("`job start` tries again"),
    }
    return Finding(job.status, facts[Status(job.status)], cures.get(Status(job.status), ""))


def _obstacles(
    connection: Connection,
    job: Any,
    now: datetime,
    show: Show,
    dead: Collection[str],
    visible: Collection[int] | None,
) -> Iterator[Finding]:
    if not job.active:
        cure = translate("`job start` starts it all the same")
        yield Finding("inactive", translate("it is not active"), cure)
    client = connection.execute(select(clients).where(clients.c.id == job.client_id)).first()
    if client is None:
        text = translate(
            "there is no client with the id {id}, which is its client_id, so it never runs; delete it, or give it "
            "the id of a client in `client list --json`",
            id=job.client_id,
        )
        yield Finding("no_client", text)
    elif client.login is None:
        fact = translate("its client {name} has no login, so none of its jobs runs", name=client.name)
        cure = translate("give it one with `client set-login {quoted} LOGIN`", quoted=quote(client.name))
        yield Finding("no_login", fact, cure)
    if job.next_run_at is not None and job.next_run_at > now and job.ready is None:
        at = show(job.next_run_at)
        if job.attempt:
            yield Finding(
                "retry",
                translate("attempt {number} failed, the next one is due: {at}", number=job.attempt, at=at),
            )
        else:
            yield Finding("future", translate("it is due: {at}", at=at))
    if job.ready == Ready.HELD:
        yield from _held(connection, job)
    yield from _nodes(connection, job, now, dead)
    autostart = connection.execute(select(settings.c.value).where(settings.c.name == "autostart")).scalar()
    if autostart == "off" and job.ready != Ready.BY_HAND:
        cure = translate("`autostart on` or `job start {id}` changes that", id=job.id)
        yield Finding("autostart_off", translate("jobs do not start automatically now"), cure)
    seen: list[ColumnElement[bool]] = [] if visible is None else [jobs.c.client_id.in_(list(visible))]
    yield from _limits(connection, job, client, seen)
    yield from _queue(connection, job, dead, seen)


def _held(connection: Connection, job: Any) -> Iterator[Finding]:
    earlier = connection.execute(
        select(jobs.c.id)
        .where(jobs.c.cron_entry_id == job.cron_entry_id, jobs.c.id != job.id, jobs.c.status.in_(LIVE))
        .order_by(jobs.c.due_at)
        .limit(1)
    ).scalar()
    yield Finding("held", translate("job {other} of the same cron entry has not ended yet", other=earlier))


def _nodes(connection: Connection, job: Any, now: datetime, dead: Collection[str]) -> Iterator[Finding]:
    rows = connection.execute(select(nodes).where(*_living(dead)).order_by(nodes.c.id.desc()).limit(100)).all()
    alive = [row for row in rows if now - row.heartbeat_at <= timedelta(seconds=row.lease_seconds)]
    if not alive:
        cure = translate("`task_server start` starts one")
        yield Finding("no_node", translate("no task server is running"), cure)
        return
    if job.node_id is not None:
        alive = [row for row in alive if row.node_id == job.node_id]
        if not alive:
            yield Finding(
                "node_absent", translate("it is meant for node {node}, which does not run", node=job.node_id)
            )
            return
    elif all(row.only_own_jobs for row in alive):
        yield Finding("own_jobs_only", translate("every node that runs takes only jobs that are meant for it"))
    if not any(job.task in row.tasks for row in alive):
        text = translate(
            "no running node offers the task {task}; check modules and [tasks] in the configuration", task=job.task
        )
        yield Finding("unknown_task", text)
    elif not any(row.claiming for row in alive if job.task in row.tasks):
        text = translate("every node that could run it was told to claim nothing; the page of nodes changes that")
        yield Finding("not_claiming", text)


def _limits(connection: Connection, job: Any, client: Any, seen: list[ColumnElement[bool]]) -> Iterator[Finding]:
    most = connection.execute(select(tasks.c.max_parallel).where(tasks.c.name == job.task)).scalar()
    if most is not None and _running(connection, jobs.c.task == job.task, *seen) >= most:
        text = plural(
            "{count} job of the task {task} runs already, which is its limit",
            "{count} jobs of the task {task} run already, which is its limit",
            most,
            task=job.task,
        )
        yield Finding("task_limit", text)
    if (
        client is not None
        and client.max_parallel is not None
        and _running(connection, jobs.c.client_id == client.id) >= client.max_parallel
    ):
        text = plural(
            "{count} job of the client {name} runs already, which is its limit",
            "{count} jobs of the client {name} run already, which is its limit",
            client.max_parallel,
            name=client.name,
        )
        yield Finding("client_limit", text)


def _queue(
    connection: Connection, job: Any, dead: Collection[str], seen: list[ColumnElement[bool]]
) -> Iterator[Finding]:
    if job.ready is None or job.ready == Ready.HELD:
        return
    ahead = connection.execute(
        select(func.count()).where(
            jobs.c.ready >= job.ready,
            jobs.c.lane == job.lane,
            jobs.c.client_id == job.client_id,
            tuple_(-jobs.c.ready, -jobs.c.priority, jobs.c.position, jobs.c.id)
            < tuple_(-job.ready, -job.priority, job.position, job.id),
        )
    ).scalar_one()
    if ahead:
        text = plural(
            "{count} job of its client stands before it", "{count} jobs of its client stand before it", ahead
        )
        yield Finding("queued", text)
    slots = connection.execute(select(func.sum(nodes.c.slots)).where(*_living(dead))).scalar() or 0
    busy = _running(connection, *seen)
    if slots and busy >= slots:
        yield Finding("no_slot", plural("the {count} slot is busy", "all {count} slots are busy", slots))


def _living(dead: Collection[str]) -> list[ColumnElement[bool]]:
    return [nodes.c.ended_at.is_(None), nodes.c.boot_id.not_in(dead)]


def _running(connection: Connection, *which: ColumnElement[bool]) -> int:
    count = connection.execute(select(func.count()).where(jobs.c.claim.is_not(None), *which)).scalar_one()
    return int(count)
