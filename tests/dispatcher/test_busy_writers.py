"""SQLite has one writer: busy enqueuers must not keep the dispatcher from its turns."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from taskserver.database.engine import Patience
from taskserver.store import Store

WRITERS = 4
SECONDS = 1.5

HAMMER = """
import sys
from taskserver.store import Store
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        store.jobs.enqueue("noop")
"""


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path):
    file = tmp_path / "taskserver.sqlite"
    file.write_bytes(sqlite_template.read_bytes())
    with Store.open(f"sqlite:///{file}") as store:
        yield store


def writes_within(store: Store, *, busy_timeout: bool) -> int:
    """How many write transactions one thread gets through while the others hammer the file."""
    url = store.database.url.render_as_string()
    hammers = [
        subprocess.Popen([sys.executable, "-c", HAMMER, url], stdout=subprocess.PIPE) for _ in range(WRITERS)
    ]
    try:
        for hammer in hammers:
            assert hammer.stdout is not None
            assert hammer.stdout.readline() == b"ready\n"
        count = 0
        with store.database.connect() as connection:
            if busy_timeout:
                connection.exec_driver_sql("PRAGMA busy_timeout = 30000")
                connection.rollback()
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                with store.database.write(connection, patience=Patience(30)):
                    connection.exec_driver_sql("UPDATE settings SET value = 'on' WHERE name = 'autostart'")
                count += 1
        return count
    finally:
        for hammer in hammers:
            hammer.kill()
            hammer.wait()
            assert hammer.stdout is not None
            hammer.stdout.close()


def test_the_own_retry_gets_its_turn_where_busy_timeout_starves(sqlite_store):
    with_own_retry = writes_within(sqlite_store, busy_timeout=False)
    with_busy_timeout = writes_within(sqlite_store, busy_timeout=True)

    assert with_own_retry > 3 * with_busy_timeout
