"""What the store refuses, as sentences."""

from __future__ import annotations

from taskserver.errors import NotFound, TaskServerError
from taskserver.texts import mark


class JobNotFound(NotFound):
    text = mark("there is no job {job_id}")


class RunNotFound(NotFound):
    text = mark("there is no run {run_id}")


class EntryNotFound(NotFound):
    text = mark("there is no cron entry {name} for client {client}")


class ClientNotFound(NotFound):
    text = mark("there is no client {name}")


class TaskNotFound(NotFound):
    text = mark("no task is published as {name!r}{hint}")


class EntryExists(TaskServerError):
    text = mark("client {client} has a cron entry named {name} already; change it with `schedule edit {name}`")


class ClientExists(TaskServerError):
    text = mark("there is a client named {name} already")


class ClientInUse(TaskServerError):
    text = mark("client {name} still has {count} jobs or cron entries; delete those first")


class DefaultClientStays(TaskServerError):
    text = mark("the client named default can't be deleted: jobs without a client belong to it")


class WrongStatus(TaskServerError):
    text = mark("job {job_id} is {status}: it can't be {verb} now")


class OnlyCommandsAreKilled(TaskServerError):
    text = mark("job {job_id} runs a Python function, which can't be killed; `job stop` asks it to stop")


class IsCronEntry(TaskServerError):
    text = mark("{job_id} is a cron entry, not a job; use the `schedule` commands")


class UniqueKeyTaken(TaskServerError):
    text = mark("job {job_id} can't be started again: job {other} has the same unique key {key}")


class CannotMove(TaskServerError):
    text = mark("job {job_id} is {status}; only waiting jobs have a place to move to")
