"""A pool with everything real but the store, for the tests of the executors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

from taskserver.config import CommandSettings
from taskserver.executors import Done, Pool
from taskserver.executors.launcher import environment_of, processes, stat_of
from taskserver.jobs import Claim, Outcome, OutputLine, Report
from taskserver.tasks import Registry, task
from taskserver.tasks.commands import command_task

_runs = count(1)


def a_claim(task: str = "work", data: Any = None, **more: Any) -> Claim:
    number = next(_runs)
    values: dict[str, Any] = {
        "run_id": number,
        "job_id": 1000 + number,
        "client_id": 1,
        "client": "acme",
        "login": "clerk",
        "task": task,
        "title": "",
        "data": {} if data is None else data,
        "attempt": 0,
        "max_attempts": None,
        "crashes": 0,
        "started_at": datetime.now(UTC),
        "due_at": None,
        "cron_entry_id": None,
        "checkpoint": None,
    }
    return Claim(**(values | more))


def is_alive(pid: int) -> bool:
    fields = stat_of(pid)
    return fields is not None and fields[0] not in (b"Z", b"X")


def marked(mark: str) -> list[int]:
    """The living processes, this one apart, that carry MARK=`mark` in their environment."""
    found = [pid for pid in processes() if pid != os.getpid() and environment_of(pid).get("MARK") == mark]
    return [pid for pid in found if is_alive(pid)]


def sleepers(mark: str) -> list[int]:
    """Those of the marked processes that are `sleep 1000`: the leaves of FAMILY, which come and do not go."""
    return [pid for pid in marked(mark) if _command_line(pid) == b"sleep\x001000\x00"]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


FAMILY = """
sleep 1000 &
(sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000; true' &) &
setsid setsid sleep 1000 &
echo $$
"""
"""Leaves five sleepers: a child, orphans in the session of the command, and some in sessions of their own."""
FAMILY_SIZE = 5


class Transaction:
    def __init__(self, log: list[Any]) -> None:
        self.connection, self._log = [], log
        self.checkpoints: list[Any] = []

    def checkpoint(self, data: Any) -> None:
        self.checkpoints.append(data)

    def translated(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def commit(self, outcome: Outcome) -> bool:
        self._log.append(("commit", list(self.connection), list(self.checkpoints), outcome))
        return True

    def rollback(self) -> None:
        self._log.append(("rollback", list(self.connection)))


class Store:
    """The seam to the store: transactions whose connection is a list of what was written."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.kind: Callable[[list[Any]], Any] = Transaction

    @property
    def transactions(self) -> Store:
        return self

    def begin(self, claim: Claim) -> Any:
        return self.kind(self.log)


class Bench:
    """A pool and what it has told."""

    def __init__(self, size: int) -> None:
        self.store = Store()
        self.dones: Queue[Done] = Queue()
        self.reported: list[Report] = []
        self.urgent: Queue[None] = Queue()
        self.pool = Pool(
            size,
            registry=Registry(),
            store=self.store,
            on_done=self.dones.put,
            node_id="node",
            on_urgent=lambda: self.urgent.put(None),
            timeout_grace_seconds=0.1,
        )

    def offer(self, function: Callable[..., Any], name: str = "work", **limits: Any) -> None:
        self.pool.registry = Registry([*self.pool.registry, task(name, **limits)(function).__task__])

    def offer_command(self, *command: str, name: str = "work", **settings: Any) -> None:
        described = command_task(name, CommandSettings(command=command, **settings))
        self.pool.registry = Registry([*self.pool.registry, described])

    def submit(self, task: str = "work", data: Any = None, **more: Any) -> Claim:
        claim = a_claim(task, data, **more)
        self.pool.submit(claim)
        return claim

    def run(self, task: str = "work", data: Any = None, **more: Any) -> Outcome:
        self.submit(task, data, **more)
        return self.done().outcome

    def done(self) -> Done:
        return self.dones.get(timeout=15)

    def look(self) -> list[Report]:
        """What the pool reports since the last look; kept in `reported` as well."""
        found = self.pool.reports()
        self.reported += found
        return found

    def lines(self) -> list[OutputLine]:
        self.look()
        return [line for report in self.reported for line in report.lines]

    def texts(self, stream: str) -> list[str]:
        return [line.text for line in self.lines() if line.stream == stream]
