"""Scratch installations: every process of one is gone when its test ends."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scratch_server import TaskServer

NewServer = Callable[..., TaskServer]


@pytest.fixture
def new_server() -> Iterator[NewServer]:
    """Makes installations in folders with short paths, as unix sockets want them."""
    made: list[TaskServer] = []

    def make(database: str | None = None, **settings: Any) -> TaskServer:
        folder = Path(tempfile.mkdtemp(prefix="ts", dir="/tmp"))
        made.append(TaskServer(folder, database, **settings))
        return made[-1]

    yield make
    for server in made:
        server.finish()
        shutil.rmtree(server.folder)


@pytest.fixture
def server(new_server: NewServer) -> TaskServer:
    """An installation on SQLite. Its daemon is not started, its database not yet made."""
    return new_server()


@pytest.fixture
def postgres_url(postgres: Any) -> Iterator[str]:
    name = postgres.copy()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_server(request: pytest.FixtureRequest, new_server: NewServer) -> TaskServer:
    """An installation on each database in turn. Its tables are there, and one for the tasks' effects."""
    if request.param == "postgresql":
        server = new_server(request.getfixturevalue("postgres_url"))
    else:
        server = new_server()
        server.users_dir.mkdir(mode=0o750)
        shutil.copy(request.getfixturevalue("sqlite_template"), server.users_dir / "taskserver.sqlite")
    server.rows.execute("CREATE TABLE effects (name text)")
    return server
