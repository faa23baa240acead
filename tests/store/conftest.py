"""A node as the dispatcher sees it: it registers, turns, and records outcomes."""

from __future__ import annotations

import contextlib
import itertools
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lasting import empty
from sqlalchemy import text

from taskserver.database import PATIENT
from taskserver.jobs import Claim, Outcome, Report
from taskserver.store import Capacity, NodeIdentity, Store, Turn, Work

_boots = itertools.count(1)


@pytest.fixture(scope="session")
def lasting_postgres_url(postgres: Any) -> Iterator[str]:
    name = postgres.copy()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As everywhere, but on PostgreSQL one database serves all tests and is emptied: a copy takes long."""
    if request.param == "sqlite":
        file = tmp_path / "taskserver.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    url = request.getfixturevalue("lasting_postgres_url")
    yield url
    empty(url)


class Node:
    """One daemon's view of the store, without the daemon."""

    def __init__(self, store: Store, node_id: str = "here", *, tasks: dict[str, int | None] | None = None) -> None:
        self.store = store
        self.node_id = node_id
        self.tasks = tasks if tasks is not None else {"ocr": None}
        self.zone = ZoneInfo("UTC")
        self.dispatch = store.dispatch(self.zone)
        identity = NodeIdentity(
            node_id=node_id,
            boot_id=f"boot-{next(_boots)}",
            pid=1,
            version="0",
            slots=4,
            lease=timedelta(seconds=60),
            control_socket=None,
            only_own_jobs=False,
        )
        self.row = store.nodes.register(identity, [published(name, limit) for name, limit in self.tasks.items()])

    def turn(
        self,
        *endings: tuple[Claim, Outcome],
        free: int = 0,
        reports: list[Report] | None = None,
        count: bool = True,
        heartbeat: bool = False,
        memory: int | None = None,
        **capacity: Any,
    ) -> Turn:
        return self.dispatch.turn(
            Work(endings=list(endings), reports=reports or [], count=count, heartbeat=heartbeat, memory=memory),
            Capacity(node=self.row, node_id=self.node_id, free=free, limits=self.tasks, **capacity),
            patience=PATIENT,
        )

    def claim(self, free: int = 1, **capacity: Any) -> list[Claim]:
        claims: list[Claim] = []
        for _ in range(20):
            turn = self.turn(free=free - len(claims), **capacity)
            claims += turn.claims
            if not turn.again:
                break
        return claims

    def close(self) -> None:
        self.dispatch.close()

    def end(self, claim: Claim, outcome: Outcome | None = None) -> Turn:
        return self.turn((claim, outcome or Outcome.finished()))


def published(name: str, max_parallel: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": "",
        "description": "",
        "schema": {},
        "max_parallel": max_parallel,
        "timeout": None,
        "max_attempts": 1,
        "max_crashes": 3,
        "on_crash": "requeue",
        "kind": "python",
        **more,
    }


@pytest.fixture
def make_node(store: Store) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(*arguments: Any, on: Store = store, **more: Any) -> Node:
        nodes.append(Node(on, *arguments, **more))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    return make_node()


@pytest.fixture
def claimed(store: Store, node: Node) -> Callable[..., Claim]:
    """Queues a job and claims it for the node named here."""

    def make(task: str = "ocr", **more: Any) -> Claim:
        job = store.jobs.enqueue(task, **more)
        (claim,) = node.claim()
        assert claim.job_id == job.id
        return claim

    return make


@pytest.fixture
def sql(store: Store) -> Callable[..., list[Any]]:
    """A program that speaks plain SQL: one statement, committed; the rows that it returned."""

    def run(statement: str, **parameters: Any) -> list[Any]:
        with store.database.write() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    return run


class DeafCommit:
    """A way to the server that swallows the answer to one COMMIT, and the connection with it."""

    def __init__(self, server_socket: str, folder: Path) -> None:
        self._server_socket = server_socket
        self.armed = False
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{folder}/.s.PGSQL.5432")
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._server_socket)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)
                    if source is client and b"COMMIT" in data and self.armed:
                        self.armed = False
                        server.recv(1 << 16)  # it has taken effect
                        return

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def deaf_commit(store: Store, clock: Any) -> Iterator[Callable[[], tuple[Store, DeafCommit]]]:
    """Another store on the same PostgreSQL; once armed, its next commit takes effect without an answer."""
    with contextlib.ExitStack() as stack:

        def make() -> tuple[Store, DeafCommit]:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="deaf"))
            url = store.database.url
            port = url.port or 5432
            deaf = DeafCommit(f"{url.query['host']}/.s.PGSQL.{port}", Path(folder))
            stack.callback(deaf.close)
            address = url.set(query={**url.query, "host": folder}, port=5432)
            another = Store.open(address.render_as_string(hide_password=False), clock=clock)
            return stack.enter_context(another), deaf

        yield make
