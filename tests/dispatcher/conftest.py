"""A whole server in this process: real store, real pool, real dispatcher, tasks made in the test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from taskserver.config import Settings
from taskserver.server import Server
from taskserver.store import Store
from taskserver.tasks import Registry


class Served:
    """A started server and the store beside it."""

    def __init__(self, server: Server, store: Store) -> None:
        self.server = server
        self.store = store

    def add(self, task: str, data: dict[str, Any] | None = None, **more: Any) -> int:
        job_id = self.store.jobs.enqueue(task, data, **more).id
        self.server.wake()
        return job_id

    def ended(self, job_id: int) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.store.jobs.get(job_id)
            return job if job["status"] in ("finished", "failed", "stopped") else None

        job: dict[str, Any] = eventually(look, what=f"the end of job {job_id}")
        return job

    def until(self, job_id: int, status: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.store.jobs.get(job_id)
            return job if job["status"] == status else None

        job: dict[str, Any] = eventually(look, what=f"job {job_id} {status}")
        return job

    def runs(self, job_id: int) -> list[dict[str, Any]]:
        return self.store.runs.find(job_id=job_id)


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a server with the given task functions; stops it when the test is over."""
    started: list[Served] = []

    def start(
        *functions: Any,
        waiting: Callable[[str], None] = lambda text: None,
        changed: Callable[[], None] = lambda: None,
        beat_seconds: float | None = None,
        **settings: Any,
    ) -> Served:
        registry = Registry([function.__task__ for function in functions])
        values = {"max_parallel": 4, "poll_interval": 0.2, "drain_timeout": 5, **settings}
        given = Settings(users_dir=tmp_path, database=database_url, **values)
        server = Server(given, lambda _: registry, logging.getLogger("taskserver"))
        server.start(waiting, changed, beat_seconds)
        started.append(Served(server, Store.open(database_url)))
        return started[-1]

    yield start
    for served in started:
        served.server.abandon()
        assert served.server.wait(30)
        served.store.close()
