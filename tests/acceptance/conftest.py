"""Scratch installations: every process of one is gone when its test ends."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clone_of_the_tree import SYSTEM_PYTHON, Clone, install, system
from scratch_server import ROOT, TASK_MODULES, TaskServer

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


@pytest.fixture(scope="session")
def clone():
    """A copy of the tree with a virtual environment of the system's Python, open to every user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not SYSTEM_PYTHON.exists() or system("-c", "import sys; sys.exit(sys.version_info < (3, 11))").returncode:
        pytest.skip("the system has no /usr/bin/python3 of 3.11 or newer: install python3")
    folder = Path(tempfile.mkdtemp(prefix="taskserver-clone-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        for name in ("taskserver", "scripts", "etc"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", folder)
        shutil.copytree(TASK_MODULES, folder / "modules", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX,go-w", folder], check=True)
        install(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def somebody():
    """A system user without a password, a shell or anything to lose."""
    for name in ("www-data", "daemon", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("none of the usual system users exists")


@pytest.fixture
def cloned(clone, somebody):
    folder = Path(tempfile.mkdtemp(prefix="ts", dir="/var/tmp"))
    server = Clone(clone, folder, somebody.pw_name)
    yield server
    server.finish()
    shutil.rmtree(folder)
