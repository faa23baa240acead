"""The control program called in this process, on an installation with a real SQLite file, and a node for it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskserver.cli import main
from taskserver.jobs import Claim, Outcome, Report
from taskserver.store import Capacity, NodeIdentity, Store, Work
from taskserver.tasks import Registry

CONFIGURATION = """\
[task_server]
allow_root = true
users_dir = "{folder}/users"
time_zone = "Europe/Berlin"
node_id = "here"
"""


@dataclass(frozen=True)
class Result:
    """What one call of the control program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Installation:
    """A folder with a configuration and, unless a test removes it, a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "taskserver.toml"
        self.database = folder / "users" / "taskserver.sqlite"

    def __call__(self, *arguments: object) -> Result:
        """Calls `task_server -c FILE ARGUMENTS`."""
        return call("-c", str(self.config), *map(str, arguments))

    def ok(self, *arguments: object) -> Result:
        """The same; it has to succeed."""
        result = self(*arguments)
        assert result.code == 0, result
        return result


def call(*arguments: str) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE", "TASKSERVER_CONFIG", "TASKSERVER_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def program() -> Callable[..., Result]:
    """The control program without any configuration."""
    return call


@pytest.fixture
def empty_installation(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    installation.config.write_text(CONFIGURATION.format(folder=tmp_path))
    (tmp_path / "users").mkdir()
    return installation


@pytest.fixture
def task_server(empty_installation: Installation, sqlite_template: Path) -> Installation:
    shutil.copy(sqlite_template, empty_installation.database)
    return empty_installation


class Node:
    """A daemon's hold on the database, without the daemon: claims jobs and ends them as a test wants it."""

    def __init__(self, database: Path) -> None:
        self.store = Store.open(f"sqlite:///{database}")
        self._dispatch = self.store.dispatch(ZoneInfo("UTC"))
        identity = NodeIdentity(
            node_id="here",
            boot_id="boot",
            pid=1,
            version="0",
            slots=4,
            lease=timedelta(seconds=60),
            control_socket=None,
            only_own_jobs=False,
        )
        offered = [_published(task.name, task.title, task.schema()) for task in Registry.load()]
        self._row = self.store.nodes.register(identity, offered)

    def claim(self) -> Claim:
        """Takes the next job. Raises StopIteration if none is ready."""
        for _ in range(5):
            turn = self._turn(Work(), free=1)
            if turn.claims:
                return turn.claims[0]
        raise AssertionError("no job is ready")

    def end(self, claim: Claim, outcome: Outcome) -> None:
        self._turn(Work(endings=[(claim, outcome)]))

    def report(self, report: Report) -> None:
        self._turn(Work(reports=[report]))

    def run(self, outcome: Outcome) -> Claim:
        claim = self.claim()
        self.end(claim, outcome)
        return claim

    def close(self) -> None:
        self._dispatch.close()
        self.store.close()

    def _turn(self, work: Work, free: int = 0) -> Any:
        capacity = Capacity(node=self._row, node_id="here", free=free, limits={"sample": None})
        return self._dispatch.turn(work, capacity)


def _published(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "description": "",
        "schema": schema,
        "max_parallel": None,
        "timeout": None,
        "max_attempts": 1,
        "max_crashes": 3,
        "on_crash": "requeue",
        "kind": "python",
    }


@pytest.fixture
def node(task_server: Installation) -> Iterator[Node]:
    node = Node(task_server.database)
    yield node
    node.close()
