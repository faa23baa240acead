from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from sqlalchemy import inspect

from taskserver.database import (
    Database,
    DatabaseUnavailable,
    NeedsUpgrade,
    NoDatabase,
    SchemaState,
    SchemaTooNew,
    StrangeVersion,
    schema_state,
    upgrade,
    upgrade_apart,
)
from taskserver.database.errors import UpgradeFailed
from taskserver.database.schema import SCHEMA_VERSION, metadata
from taskserver.errors import EXIT_NEEDS_UPGRADE
from taskserver.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """A database without any tables; with SQLite not even the file."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.sqlite"
        return
    postgres = request.getfixturevalue("postgres")
    postgres._admin("CREATE DATABASE empty_one")
    yield postgres.url("empty_one")
    postgres.drop("empty_one")


def set_version(url, version):
    database = Database(url)
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE taskserver_version SET version_num = '{version}'")
    database.close()


def test_an_empty_database_is_made_and_then_current(empty_url):
    before = Store.schema_state(empty_url)
    Store.create_or_upgrade(empty_url)

    assert (before, Store.schema_state(empty_url)) == (SchemaState.EMPTY, SchemaState.CURRENT)
    with Store.open(empty_url) as store:
        assert store.clients.get("default")["login"] == "default"
        assert store.switches.autostart() is True


def test_an_empty_database_is_not_opened(empty_url):
    with pytest.raises(NoDatabase) as refusal:
        Store.open(empty_url)

    assert refusal.value.exit_code == EXIT_NEEDS_UPGRADE


def test_an_older_schema_is_not_opened(database_url):
    set_version(database_url, "0000")

    with pytest.raises(NeedsUpgrade) as refusal:
        Store.open(database_url)

    assert Store.schema_state(database_url) == SchemaState.OLDER
    assert refusal.value.exit_code == EXIT_NEEDS_UPGRADE
    assert "0000" in str(refusal.value)
    assert SCHEMA_VERSION in str(refusal.value)


def test_a_newer_schema_is_neither_opened_nor_changed(database_url):
    set_version(database_url, "9999")

    with pytest.raises(SchemaTooNew) as refusal:
        Store.open(database_url)
    with pytest.raises(SchemaTooNew):
        Store.create_or_upgrade(database_url)

    assert Store.schema_state(database_url) == SchemaState.NEWER
    assert refusal.value.exit_code == EXIT_NEEDS_UPGRADE


def test_a_second_upgrade_changes_nothing(database_url):
    with Store.open(database_url) as store:
        job_id = store.jobs.enqueue("ocr").id

        Store.create_or_upgrade(database_url)

        assert store.jobs.get(job_id)["status"] == "waiting"
        assert len(store.clients.find()) == 1


_UPGRADE = """
import sys
from taskserver.store import Store
sys.stdin.readline()
Store.create_or_upgrade(sys.argv[1])
"""


def test_several_upgrades_at_once_make_one_schema(empty_url):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _UPGRADE, empty_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("now\n")
        process.stdin.flush()

    complaints = [process.communicate(timeout=60)[1] for process in processes]

    assert complaints == [""] * 3
    assert Store.schema_state(empty_url) == SchemaState.CURRENT
    with Store.open(empty_url) as store:
        assert len(store.clients.find()) == 1


def test_an_upgrade_waits_for_a_writer(tmp_path, hold):
    """A file that is there but empty, and somebody in it."""
    file = tmp_path / "new.sqlite"
    holder = hold(file, "PRAGMA journal_mode = DELETE", "BEGIN IMMEDIATE", "CREATE TABLE theirs (n)")
    database = Database(f"sqlite:///{file}")
    thread = threading.Thread(target=lambda: upgrade(database))
    thread.start()
    thread.join(0.5)
    waits = thread.is_alive()
    holder.let_go()
    thread.join(30)

    assert waits
    assert schema_state(database) == SchemaState.CURRENT
    database.close()


def test_a_schema_is_made_in_a_process_of_its_own(empty_url):
    database = Database(empty_url)

    upgrade_apart(database)

    assert schema_state(database) == SchemaState.CURRENT
    database.close()


def test_an_upgrade_in_a_process_of_its_own_tells_what_went_wrong(tmp_path):
    with pytest.raises(DatabaseUnavailable) as failure:
        upgrade_apart(Database(f"sqlite:///{tmp_path}/none/here.sqlite"))

    assert "unable to open database file" in str(failure.value)
    assert "Traceback" not in str(failure.value)


@pytest.mark.parametrize("apart", [False, True])
def test_an_application_s_own_table_of_the_same_name_is_named(empty_url, apart):
    database = Database(empty_url)
    if database.file is not None:
        database.file.touch()
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE clients (id integer)")

    with pytest.raises(UpgradeFailed, match=r'"?clients"? already exists'):
        (upgrade_apart if apart else upgrade)(database)

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM clients").scalar() == 0
    database.close()


def test_a_new_file_has_a_write_ahead_log(tmp_path):
    url = f"sqlite:///{tmp_path}/new.sqlite"
    Store.create_or_upgrade(url)
    database = Database(url)

    with database.read() as connection:
        modes = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert modes == ["wal", 2, 1, 0]
    database.close()


def test_the_tables_are_those_that_the_statements_expect(database):
    with database.connect() as connection:
        found = inspect(connection)
        tables = {
            name: {column["name"] for column in found.get_columns(name)}
            for name in found.get_table_names()
            if name != "taskserver_version"
        }

    assert tables == {table.name: {column.name for column in table.columns} for table in metadata.sorted_tables}


@pytest.mark.parametrize("version", ["", "soon"])
def test_a_version_that_none_of_ours_has_written_is_one_sentence(database_url, version):
    set_version(database_url, version)

    for use in (Store.open, Store.create_or_upgrade, Store.schema_state):
        with pytest.raises(StrangeVersion, match="taskserver_version") as caught:
            use(database_url)
        assert caught.value.exit_code == EXIT_NEEDS_UPGRADE
        assert repr(version) in str(caught.value)
