"""A job as the pages show it: its progress, the word beside its status, and what may be done with it.

Decides what is drawn; the scope decides again what is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskserver.jobs import Ready, Status
from taskserver.store import Role
from taskserver.store.estimates import time_left
from taskserver.store.rows import shown_title
from taskserver.texts import translate
from taskserver.web import moments
from taskserver.web.kept import Durations
from taskserver.web.scope import Principal

Row = dict[str, Any]

_RUNNING = (Status.RUNNING, Status.STOPPING)
_ENDED = (Status.STOPPED, Status.FINISHED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class JobView:
    """One row of the page of jobs; also the head of the page of one."""

    job: Row
    progress: float | None
    """Percent; None: it runs and does not say, or `has_progress` is False."""
    has_progress: bool
    left: timedelta | None
    note: str
    """What there is to say beside the status: the detail of the work, the cause of a failure, the next start."""
    actions: frozenset[str]
    """start, stop, kill, delete, move, again."""

    def may(self, action: str) -> bool:
        return action in self.actions


@dataclass(frozen=True, slots=True)
class Viewing:
    """What is the same for all jobs of one page: who looks, when, and which tasks are offered (name to kind)."""

    principal: Principal
    now: datetime
    usual: Durations
    offered: Mapping[str, str]
    idle: Collection[int] = ()
    """Ids of clients without a login: none of their jobs starts."""

    def view(self, job: Row) -> JobView:
        status = job["status"]
        progress, has_progress = _progress(job)
        return JobView(
            job=job,
            progress=progress,
            has_progress=has_progress,
            left=self._left(job) if status == Status.RUNNING else None,
            note=_note(job, self.now, self.idle),
            actions=self._actions(job),
        )

    def views(self, jobs: Collection[Row]) -> list[JobView]:
        return [self.view(job) for job in jobs]

    def _left(self, job: Row) -> timedelta | None:
        left = time_left(
            started_at=job.get("started_at"),
            progress=job.get("progress"),
            usual=self.usual.get(job["task"]),
            now=self.now,
        )
        return left if left is None or left > timedelta(0) else None

    def _actions(self, job: Row) -> frozenset[str]:
        if not self.principal.may(Role.OPERATOR, job["client_id"]):
            return frozenset()
        found = {"again"} if job["task"] in self.offered else set()
        if job["gone"]:
            return frozenset(found)
        status = job["status"]
        if status in _ENDED or (status == Status.WAITING and job["ready"] != Ready.BY_HAND):
            found.add("start")
        if status in (Status.WAITING, Status.RUNNING):
            found.add("stop")
        if status in _RUNNING and self.offered.get(job["task"]) == "command" and not job["kill_requested_at"]:
            found.add("kill")
        if status == Status.WAITING and job["ready"] is not None:  # the others stand by their time
            found.add("move")
        if not job["delete_requested_at"]:
            found.add("delete")
        return frozenset(found)


def first_line(text: str | None) -> str:
    """The first line that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


def own_title(job: Row, task: Row) -> str:
    """The title that somebody gave the job; "" where it is the task's, which follows the arguments."""
    title = str(job.get("title") or "")
    of_task = {"title": "", "task_title": task["title"], "task_schema": task["schema"]}
    return "" if title == shown_title({**job, **of_task}) else title


def _progress(job: Row) -> tuple[float | None, bool]:
    status, progress = job["status"], job.get("progress")
    if status == Status.FINISHED:
        return 100.0, True
    if status in _RUNNING:
        return progress, True
    return progress, bool(progress)


def _note(job: Row, now: datetime, idle: Collection[int]) -> str:
    status = job["status"]
    if status in _RUNNING:
        going = translate("it goes when it has ended") if job.get("delete_requested_at") else ""
        return " · ".join(filter(None, (first_line(job.get("detail")), going)))
    if status == Status.WAITING:
        return _why_it_waits(job, now, idle)
    return first_line(job.get("result") if status == Status.FINISHED else job.get("error"))


def _why_it_waits(job: Row, now: datetime, idle: Collection[int]) -> str:
    found = []
    if job["client_id"] in idle:
        found.append(translate("its client has no login"))
    if not job["active"]:
        found.append(translate("not active"))
    elif job["ready"] == Ready.BY_HAND:
        found.append(translate("started by hand, comes first"))
    elif job["ready"] == Ready.HELD:
        found.append(translate("until an earlier one has ended"))
    elif job["next_run_at"] is not None and job["next_run_at"] > now:
        found.append(translate("starts {at}", at=moments.local(job["next_run_at"], seconds=False)))
    if job["attempt"]:
        error = first_line(job["error"]) or "?"
        found.append(translate("attempt {number} failed: {error}", number=job["attempt"], error=error))
    return " · ".join(found)
