"""What the store refuses, as sentences."""

from __future__ import annotations

from shlex import quote

from taskserver.errors import NotFound, TaskServerError, UsageError
from taskserver.texts import mark, translate


class JobNotFound(NotFound):
    text = mark("there is no job {job_id}")


class RunNotFound(NotFound):
    text = mark("there is no run {run_id}")


class NodeNotFound(NotFound):
    text = mark("there is no node with the id {id} that works on this database")


class EntryNotFound(NotFound):
    text = mark("there is no cron entry {name} for client {client}")


class ClientNotFound(NotFound):
    text = mark("there is no client {name}")


class UserNotFound(NotFound):
    text = mark("there is no user {name}")


class TokenNotFound(NotFound):
    text = mark("there is no token {name}")


class UserExists(TaskServerError):
    text = mark("there is a user named {name} already")


class TokenExists(TaskServerError):
    text = mark("there is a token named {name} already")


class InvalidUserName(UsageError):
    text = mark("a name has 1 to {longest} characters that can be printed, without spaces around it")


class NamedAsToken(UsageError):
    text = mark("a user's name must not begin with the word token: the audit calls an API token so")


class LastAdministrator(TaskServerError):
    text = mark("there must stay an administrator for all clients; make somebody else one first")


class KeyReused(UsageError):
    """Two different requests under one idempotency key: the caller's mistake, since one of them would be lost."""

    text = mark("this Idempotency-Key was used for another request; take a new key for each request")


class PageGone(UsageError):
    text = mark("this page does not continue a list; begin again with the first page")


class TaskNotFound(NotFound):
    text = mark("no task is published as {name!r}{hint}")


class NotJson(TaskServerError):
    text = mark("the data for the task {task} can't be kept as JSON: {reason}")


class NaiveTime(UsageError):
    text = mark("run_at {run_at} has no time zone; give an aware datetime, such as datetime.now(UTC)")


class EmptyName(UsageError):
    text = mark("a name must not be empty")


class EmptyTaskName(UsageError):
    text = mark("the name of the task must not be empty")


class EmptyUniqueKey(UsageError):
    text = mark("a unique key must not be empty; leave it out if the job needs none")


class InvalidUniqueFor(UsageError):
    text = mark('unique_for must be "live" or "ever", not {given!r}')


class JobRefused(UsageError):
    text = mark("the job for the task {task} can't be queued: {reason}")


class EntryExists(TaskServerError):
    text = mark("client {client} has a cron entry named {name} already; change it with `schedule edit {quoted}`")

    def __init__(self, *, name: str, client: str) -> None:
        super().__init__(name=name, client=client, quoted=quote(name))


class ClientExists(TaskServerError):
    text = mark("there is a client named {name} already")


class ClientInUse(TaskServerError):
    text = mark("client {name} still has jobs or cron entries ({count}); delete those first")


class DefaultClientStays(TaskServerError):
    text = mark("the client named default can't be deleted: jobs without a client belong to it")


_VERBS = (mark("started"), mark("stopped"), mark("killed"))


class WrongStatus(TaskServerError):
    """`verb` is one of _VERBS; it and the status are shown in the reader's language."""

    text = mark("job {job_id} can't be {verb} now: it is {status}")

    def message(self) -> str:
        words = {name: translate(str(self.fields[name])) for name in ("verb", "status")}
        return translate(self.text, job_id=self.fields["job_id"], **words)


class OnlyCommandsAreKilled(TaskServerError):
    text = mark("job {job_id} runs a Python function, which can't be killed; `job stop` asks it to stop")


class IsCronEntry(TaskServerError):
    text = mark("{job_id} is a cron entry, not a job; use the `schedule` commands")


class UniqueKeyTaken(TaskServerError):
    text = mark("job {job_id} can't be started again: job {other} has the same unique key {key}")


class CannotMove(TaskServerError):
    text = mark("job {job_id} can't be moved, only waiting jobs have a place: it is {status}")

    def message(self) -> str:
        return translate(self.text, job_id=self.fields["job_id"], status=translate(str(self.fields["status"])))
