"""Running claimed jobs: a bounded pool of threads for Python tasks, a launcher process for commands.

The dispatcher hands claims to a `Pool` and gets a `Done` for each. Nothing here decides which job runs, or
writes to the database but through the task's own transaction.
"""

from __future__ import annotations

from taskserver.executors.pool import Done, Pool, RunningJob

__all__ = ["Done", "Pool", "RunningJob"]
