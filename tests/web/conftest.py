"""Two clients with work of their own, and principals who may see one of them, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from argon2 import PasswordHasher
from browsing import PASSWORD, Browser
from fastapi import FastAPI
from lasting import empty, engines, made_anew
from sqlalchemy import URL, Engine

from taskserver.config import Settings
from taskserver.jobs import Claim, Outcome, OutputLine, Report
from taskserver.store import Capacity, Grant, NodeIdentity, Role, Store, Work
from taskserver.web.app import create_app
from taskserver.web.scope import Principal, Scope
from taskserver.web.security import passwords

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "password": {"type": "string"}},
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.fixture(scope="session")
def lasting_postgres_url(postgres: Any) -> Iterator[str]:
    name = postgres.copy()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def lasting_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lasting") / "taskserver.sqlite"


@pytest.fixture(scope="session")
def known_engines() -> dict[URL, Engine]:
    return {}


@pytest.fixture(scope="module", autouse=True)
def lasting_engines(known_engines: dict[URL, Engine]) -> Iterator[None]:
    with engines(known_engines):
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """As everywhere, but one database serves all tests and is made anew or emptied."""
    if request.param == "sqlite":
        file = request.getfixturevalue("lasting_sqlite_file")
        yield made_anew(file, request.getfixturevalue("sqlite_template"))
        return
    url = request.getfixturevalue("lasting_postgres_url")
    yield url
    empty(url)


class Node:
    """A daemon's hold on the database, without the daemon: claims jobs and ends them as a test wants it."""

    def __init__(self, store: Store, node_id: str = "here") -> None:
        self._dispatch = store.dispatch(ZoneInfo("UTC"))
        self.identity = NodeIdentity(
            node_id=node_id,
            boot_id=f"boot of {node_id}",
            pid=1,
            version="0",
            slots=4,
            lease=timedelta(seconds=60),
            control_socket=None,
            only_own_jobs=False,
        )
        self.offered = {
            "name": "ocr",
            "title": "OCR {path}",
            "description": "",
            "schema": SCHEMA,
            "max_parallel": None,
            "timeout": None,
            "max_attempts": 1,
            "max_crashes": 3,
            "on_crash": "requeue",
            "kind": "command",
        }
        self.row = store.nodes.register(self.identity, [self.offered])
        self._node_id = node_id

    def claim(self, job_id: int) -> Claim:
        capacity = Capacity(node=self.row, node_id=self._node_id, free=1, limits={"ocr": None})
        claim = self._dispatch.take_one(job_id, capacity)
        assert claim is not None
        return claim

    def end(self, claim: Claim, outcome: Outcome) -> None:
        self._turn(Work(endings=[(claim, outcome)]))

    def report(self, claim: Claim, text: str) -> None:
        line = OutputLine(seq=1, at=claim.started_at, stream="stdout", text=text)
        self._turn(Work(reports=[Report(run_id=claim.run_id, job_id=claim.job_id, detail=text, lines=[line])]))

    def beat(self) -> None:
        self._turn(Work(heartbeat=True, memory=50 << 20))

    def close(self) -> None:
        self._dispatch.close()

    def _turn(self, work: Work) -> None:
        self._dispatch.turn(work, Capacity(node=self.row, node_id=self._node_id, free=0, limits={"ocr": None}))


@dataclass
class Tenant:
    """A client and what is in it; every text of it holds its `mark`."""

    name: str
    id: int
    mark: str
    jobs: dict[str, int] = field(default_factory=dict)
    entry: int = 0
    runs: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def make_node(store: Store) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(node_id: str = "here") -> Node:
        nodes.append(Node(store, node_id))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    return make_node()


@pytest.fixture
def make_tenant(store: Store, node: Node) -> Callable[[str], Tenant]:
    def make(name: str) -> Tenant:
        mark = f"secret-of-{name}"
        tenant = Tenant(name, store.clients.add(name, login=f"login-{mark}", title=mark)["id"], mark)

        def queue(**more: Any) -> int:
            data = {"path": f"/scans/{mark}", "password": f"password-{mark}"}
            return store.jobs.enqueue("ocr", data, client=name, title=f"title {mark}", **more).id

        for kind in ("running", "failed", "finished", "stopped", "gone"):
            tenant.jobs[kind] = queue()
        for kind in ("running", "failed", "finished", "gone"):
            claim = node.claim(tenant.jobs[kind])
            tenant.runs[kind] = claim.run_id
            node.report(claim, f"output {mark}")
            if kind != "running":
                failed = Outcome.failed(f"error {mark}", traceback=f"traceback {mark}")
                node.end(claim, failed if kind == "failed" else Outcome.finished(f"result {mark}"))
        store.jobs.stop(tenant.jobs["stopped"])
        store.jobs.delete(tenant.jobs["gone"])
        tenant.jobs["waiting"] = queue(unique_key=f"key-{mark}")
        tenant.jobs["later"] = queue()
        tenant.entry = store.entries.add(
            f"entry {mark}", "ocr", {"path": mark}, cron_spec="0 3 * * *", time_zone="UTC", client=name
        )
        return tenant

    return make


@pytest.fixture
def acme(make_tenant: Callable[[str], Tenant]) -> Tenant:
    return make_tenant("acme")


@pytest.fixture
def bolt(make_tenant: Callable[[str], Tenant]) -> Tenant:
    return make_tenant("bolt")


@pytest.fixture
def principal_of(store: Store) -> Callable[..., Principal]:
    """A user with one role, in one client or in all, who is in the database too."""

    def make(role: Role | None, client: str | None = None, name: str | None = None) -> Principal:
        name = name or f"{role} of {client or 'all'}"
        user = store.users.add(name, role=role, client=client)
        grants: tuple[Grant, ...] = tuple(user["roles"])
        return Principal(name=name, grants=grants, user_id=user["id"])

    return make


@pytest.fixture
def scope_of(store: Store, principal_of: Callable[..., Principal]) -> Callable[..., Scope]:
    def make(role: Role | None, client: str | None = None) -> Scope:
        return Scope(store, principal_of(role, client), source="10.0.0.1")

    return make


@dataclass
class Daemon:
    """What the control program would say of the daemon beside the console."""

    state: str = "running"
    more: dict[str, Any] = field(default_factory=dict)

    def __call__(self) -> dict[str, Any]:
        return {"state": self.state, "pid": 4711, **self.more}


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with these keys in [task_server.console]."""

    def make(**console: Any) -> Settings:
        given = {"users_dir": str(tmp_path / "users"), "node_id": "here", "time_zone": "Europe/Berlin"}
        return Settings.model_validate({**given, "console": console})

    return make


@pytest.fixture
def make_app(store: Store, daemon: Daemon, make_settings: Callable[..., Settings]) -> Callable[..., FastAPI]:
    def make(*, seconds_for_body: float = 30.0, **console: Any) -> FastAPI:
        return create_app(
            store=store,
            settings=make_settings(**console),
            server_status=daemon,
            seconds_for_body=seconds_for_body,
        )

    return make


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app()


@pytest.fixture
def stranger(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture(scope="module", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashes of argon2 with the least effort that there is: else each test that signs in pays for the real one,
    which `security/test_secrets.py` looks at."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: hasher)
        passwords._nobodys_hash.cache_clear()
        yield
    passwords._nobodys_hash.cache_clear()


@pytest.fixture(scope="module")
def password_hash(quick_passwords: None) -> str:
    """Of PASSWORD; made once for all tests of a file."""
    return passwords.hashed(PASSWORD, name="")


@pytest.fixture
def add_user(store: Store, password_hash: str) -> Callable[..., str]:
    """Adds a user with PASSWORD and one role, in a client or in all; returns the name."""

    def add(role: Role | None = None, client: str | None = None, name: str = "anna", **more: Any) -> str:
        store.users.add(name, password_hash, role=role, client=client, **more)
        return name

    return add


@pytest.fixture
def signed_in(app: FastAPI, add_user: Callable[..., str]) -> Callable[..., Browser]:
    """A browser in which a new user with this role is signed in."""

    def make(role: Role | None = None, client: str | None = None, name: str = "anna", **more: Any) -> Browser:
        browser = Browser(app)
        response = browser.sign_in(add_user(role, client, name, **more))
        assert response.status_code == 303, response.text
        return browser

    return make
