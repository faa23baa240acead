"""What the API tells: the documents of its answers. What it takes stands beside the routes that take it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from taskserver.web.api.fields import Told

Row = Mapping[str, Any]

JobStatus = Annotated[str, Field(description="waiting, running, stopping, stopped, finished or failed.")]
ClientName = Annotated[str | None, Field(description="The client's name; null when the client is gone.")]
Progress = Annotated[float | None, Field(description="Percent; null when nobody knows.")]
Redacted = Annotated[Any, Field(description="The task's arguments; secrets in it are shown as ***.")]
Next = Annotated[str | None, Field(description="Give it as `after` for the next page; null on the last one.")]
Previous = Annotated[str | None, Field(description="Give it as `before` for the page before; null on the first.")]


class Job(Told):
    """One piece of work."""

    id: int
    client: ClientName
    task: str
    title: str | None
    description: str | None = None
    data: Redacted
    status: JobStatus
    gone: bool = Field(description="The job was deleted; this is what its last run tells.")
    active: bool = Field(True, description="False: it starts only by hand.")
    held: bool = Field(False, description="An earlier job of its cron entry has not ended yet.")
    by_hand: bool = Field(False, description="It was started by hand: it comes before all others.")
    priority: int = Field(0, description="Higher runs first.")
    progress: Progress = None
    detail: str | None = Field(None, description="What it is doing.")
    result: str | None = Field(description="What it returned, once finished.")
    error: str | None = Field(description="Why it failed, or why it is tried again.")
    attempt: int = Field(0, description="Failures so far.")
    max_attempts: int | None = Field(None, description="Its own limit; null: that of its task.")
    crashes: int = Field(0, description="How often its node died while it ran.")
    unique_key: str | None = None
    node_id: str | None = Field(
        None, description="The only node that may run it; of one that is gone: that ran it."
    )
    cron_entry: str | None = Field(None, description="The name of the cron entry that queued it.")
    cron_entry_id: int | None = None
    run_id: int | None = Field(None, description="Its present run; of a job that is gone: its last one.")
    due_at: datetime | None = None
    next_run_at: datetime | None = Field(None, description="Not before this; null: at once.")
    started_at: datetime | None = Field(None, description="When its present run began.")
    ended_at: datetime | None = None
    last_run_at: datetime | None = None
    last_status: str | None = None
    stop_requested_at: datetime | None = None
    delete_requested_at: datetime | None = None
    checkpoint: Any = Field(None, description="Where it goes on; secrets in it are shown as ***.")
    created_at: datetime | None = None
    created_by: str | None = None

    @classmethod
    def of(cls, row: Row) -> Job:
        gone = bool(row.get("gone"))
        more = {"held": row.get("ready") == 0, "by_hand": row.get("ready") == 2, "gone": gone}
        if gone:
            more["ended_at"] = row.get("finished_at")
        else:
            more["run_id"] = row.get("claim")
        return cls.model_validate({**row, **more})


class Jobs(Told):
    """A page of jobs in the order in which they will start; ended ones last, the newest first."""

    jobs: list[Job]
    next: Next
    previous: Previous


class Queued(Told):
    """A job that was queued."""

    id: int
    created: bool = Field(description="False: a job with this unique_key was there already, and this is its id.")


class QueuedMany(Told):
    """Jobs that were queued, in the order of the request."""

    jobs: list[Queued]


class Deleted(Told):
    """What became of a job that was to be deleted."""

    id: int
    gone: bool = Field(description="False: it runs and was asked to stop; it goes when it has ended.")


class Refusal(Told):
    """Why nothing was done with one job."""

    id: int
    status: int = Field(description="The status that a request for this job alone would have had.")
    code: str
    detail: str


class BulkDone(Told):
    """What became of many jobs."""

    count: int = Field(description="With how many it was done.")
    done: list[int] = Field(description="Their ids; empty for delete-finished and delete-all.")
    refused: list[Refusal]


class Reason(Told):
    code: str = Field(description="For programs: never changes.")
    text: str = Field(description="A sentence in the language of the request.")


class Explanation(Told):
    """Why a job does not run now, the strongest reason first."""

    id: int
    reasons: list[Reason]


class Line(Told):
    """One line of output."""

    run_id: int
    seq: int = Field(description="Its place in the run.")
    at: datetime | None
    stream: str = Field(description="stdout, stderr, log (of a Python task) or server.")
    text: str


class Output(Told):
    """Lines of output in their order."""

    lines: list[Line]
    next: Annotated[
        str | None,
        Field(description="Give it as `after` for what comes behind; null without a line."),
    ]

    @classmethod
    def of(cls, rows: list[dict[str, Any]], asked_after: str | None) -> Output:
        last = f"{rows[-1]['run_id']}-{rows[-1]['seq']}" if rows else asked_after
        return cls(lines=[Line.model_validate(row) for row in rows], next=last)


class ListedRun(Told):
    """One execution of a job, once it has ended."""

    id: int
    job_id: int
    cron_entry_id: int | None
    client: ClientName
    task: str
    title: str | None
    data: Redacted
    status: str = Field(description="finished, failed, stopped or lost.")
    reason: str | None = Field(description="error, arguments, timeout, killed, memory, lost, stopped or drained.")
    result: str | None
    error: str | None
    login: str | None = Field(description="Under whom it ran.")
    node_id: str | None = Field(description="Where it ran.")
    attempt: int | None
    unique_key: str | None
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cpu_seconds: float | None
    max_rss: int | None = Field(description="Bytes; known for commands.")


class Run(ListedRun):
    traceback: str | None


class Runs(Told):
    """A page of runs, the one that ended last first."""

    runs: list[ListedRun]
    next: Next
    previous: Previous


class Entry(Told):
    """A cron entry: queues a job at each due time."""

    id: int
    name: str
    client: ClientName
    task: str
    title: str | None
    description: str | None
    data: Redacted
    cron_spec: str
    time_zone: str | None
    active: bool
    misfire: str | None = Field(description="What becomes of due times that were missed: once, all or skip.")
    overlap: str | None = Field(description="What becomes of a due time while a job of it runs: skip or queue.")
    priority: int
    node_id: str | None = Field(description="The only node that may run its jobs.")
    max_attempts: int | None
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_status: str | None
    error: str | None = Field(description="Why it queues nothing, when something is wrong with it.")
    created_at: datetime | None
    created_by: str | None


class Entries(Told):
    """A page of cron entries, by client and name."""

    entries: list[Entry]
    next: Next
    previous: Previous


class Trap(Told):
    code: str
    text: str = Field(description="A sentence in the language of the request.")


class SchedulePreview(Told):
    """What a cron expression means."""

    cron_spec: str
    time_zone: str
    sentence: str = Field(description="In the language of the request.")
    next: list[datetime] = Field(description="The next due times, with the offset of the zone.")
    warnings: list[Trap] = Field(description="What may surprise.")


class Client(Told):
    """Whose jobs they are."""

    id: int
    name: str
    title: str | None
    login: str | None = Field(description="Under whom its jobs run; null: none of them runs.")
    max_parallel: int | None = Field(description="So many of its jobs run at once; null: no limit.")
    waiting: int
    running: int
    created_at: datetime | None


class Clients(Told):
    """A page of clients, by name."""

    clients: list[Client]
    next: Next
    previous: Previous


class Node(Told):
    """A daemon that works on this database."""

    id: int = Field(description="Of this start of the daemon; another start has another.")
    node_id: str
    pid: int | None
    version: str | None
    slots: int | None
    tasks: Any = Field(description="The names of the tasks that it offers.")
    only_own_jobs: bool | None = Field(description="It runs only jobs that name it.")
    started_at: datetime | None
    heartbeat_at: datetime | None
    lease_seconds: float | None = Field(description="After so long without a heartbeat it counts as dead.")
    ended_at: datetime | None
    alive: bool = Field(description="Its last heartbeat is younger than its lease.")
    busy: int = Field(description="Slots in which a job runs.")
    memory_bytes: int | None = Field(description="What the daemon itself uses, with its last heartbeat.")
    claiming: bool = Field(description="False: it was told to claim nothing more.")


class Nodes(Told):
    nodes: list[Node]


class Task(Told):
    """What can be queued."""

    name: str
    title: str | None
    description: str | None
    arguments: Any = Field(description="JSON Schema of its arguments.")
    kind: str | None = Field(description="python or command.")
    timeout: float | None = Field(description="Seconds.")
    max_attempts: int | None
    max_parallel: int | None

    @classmethod
    def of(cls, row: Row) -> Task:
        return cls.model_validate({**row, "arguments": row["schema"]})


class Tasks(Told):
    tasks: list[Task]


class Autostart(Told):
    on: bool = Field(description="Whether waiting jobs start by themselves.")
