"""Why a server does not start, or not this job."""

from __future__ import annotations

from taskserver.errors import TaskServerError
from taskserver.texts import mark


class NodeIdInUse(TaskServerError):
    text = mark(
        "another task server works as node {node_id} on this database; set task_server.node_id to another name"
    )


class StoppedEarly(TaskServerError):
    text = mark("it was stopped before it was ready")


class NotStartable(TaskServerError):
    text = mark("job {job_id} can't be run now: {why}")
