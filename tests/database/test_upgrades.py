"""A database of the first release, with what people had in it, becomes one of today."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from taskserver.database import Database, SchemaState
from taskserver.database.errors import UpgradeFailed
from taskserver.database.upgrade import _migrate
from taskserver.store import Store

_DATA = (
    "INSERT INTO clients (name, login) VALUES ('acme', 'batch')",
    "INSERT INTO users (name, password_hash, language) VALUES ('anna', 'x', 'de')",
    "INSERT INTO jobs (client_id, task, data) VALUES (2, 'ocr', '{\"path\": \"/scans/Ü\"}')",
    "INSERT INTO jobs (task, type, name, cron_spec) VALUES ('ocr', 'interval', 'nightly', '0 3 * * *')",
    "INSERT INTO jobs (task, status, ended_at) VALUES ('ocr', 'failed', '2026-11-21 08:00:00.000000+00')",
    "INSERT INTO runs (id, job_id, client_id, task, status, error) VALUES (7, 3, 1, 'ocr', 'failed', 'no file')",
    "INSERT INTO audit (actor, action, job_id) VALUES ('anna', 'job.stop', 3)",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that the first migration alone has made."""
    name = "first_release"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/old.sqlite"
    else:
        postgres = request.getfixturevalue("postgres")
        postgres._admin(f"CREATE DATABASE {name}")
        url = postgres.url(name)
    database = Database(url)
    with database.connect() as connection:
        database.prepare(connection)
        with database.write(connection):
            _migrate(database, connection, "0001")
    with database.write() as connection:
        for statement in _DATA:
            zone = "" if request.param == "sqlite" else "+00"
            connection.execute(text(statement.replace(":", "\\:").replace("+00'", f"{zone}'")))
    database.close()
    yield url
    if request.param == "postgresql":
        postgres.drop(name)


def test_what_was_there_is_still_there(first_release: str) -> None:
    before = Store.schema_state(first_release)

    Store.create_or_upgrade(first_release)

    assert (before, Store.schema_state(first_release)) == (SchemaState.OLDER, SchemaState.CURRENT)
    with Store.open(first_release) as store:
        waiting, failed = store.jobs.find()
        assert (waiting["client"], waiting["data"]) == ("acme", {"path": "/scans/Ü"})
        assert failed["status"] == "failed"
        assert store.entries.get("nightly")["cron_spec"] == "0 3 * * *"
        assert store.runs.get(7)["error"] == "no file"
        anna = store.users.get("anna")
        assert (anna["language"], anna["theme"], anna["shortcuts"], anna["roles"]) == ("de", None, True, [])
        assert store.audit.find()[0]["action"] == "job.stop"


def test_a_broken_upgrade_leaves_the_old_schema(first_release: str) -> None:
    database = Database(first_release)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE tokens (theirs integer)")
    database.close()

    with pytest.raises(UpgradeFailed, match="already exists"):
        Store.create_or_upgrade(first_release)

    assert Store.schema_state(first_release) == SchemaState.OLDER
    database = Database(first_release)
    assert "user_roles" not in inspect(database.engine).get_table_names()
    database.close()
