"""What is wrong with a database, said in one sentence and with the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy.exc import DBAPIError

from taskserver.database import (
    Database,
    DatabaseRefused,
    DatabaseUnavailable,
    InvalidDatabase,
    NoDatabase,
)
from taskserver.errors import EXIT_ERROR, EXIT_NEEDS_UPGRADE, EXIT_NOT_CONFIGURED
from taskserver.store import Store

SECRET = "hunter2"


def refusal(url, error, code):
    with pytest.raises(error) as caught:
        Store.open(url)
    assert type(caught.value) is error
    assert caught.value.exit_code == code
    assert SECRET not in str(caught.value)
    return str(caught.value)


# --- addresses


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "",
        "mysql://host/db",
        "oracle://host/db",
        "sqlite+aiosqlite:///file",
        "postgresql+psycopg2://host/db",
        "postgresql+nothing://host/db",
        f"postgresql://user:{SECRET}@host:port/db",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    refusal(url, InvalidDatabase, EXIT_NOT_CONFIGURED)


def test_the_supported_databases_are_named():
    assert "postgresql, sqlite" in refusal("mysql://host/db", InvalidDatabase, EXIT_NOT_CONFIGURED)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@host/db",
        f"postgresql://host/db?user=me&password={SECRET}",
        f"postgresql://host/db?sslpassword={SECRET}",
    ],
)
def test_a_label_never_shows_the_password(url):
    label = Database(url).label

    assert SECRET not in label
    assert "host" in label


def test_the_file_of_a_database_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert Database("sqlite:///here.sqlite").file == tmp_path / "here.sqlite"
    assert Database("postgresql://host/db").file is None


# --- SQLite


def test_a_file_that_is_not_there(tmp_path):
    message = refusal(f"sqlite:///{tmp_path}/none.sqlite", NoDatabase, EXIT_NEEDS_UPGRADE)

    assert "none.sqlite" in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DatabaseUnavailable) as caught:
        Store.create_or_upgrade(f"sqlite:///{tmp_path}/none/here.sqlite")

    assert caught.value.exit_code == EXIT_ERROR
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_no_database(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 200)

    refusal(f"sqlite:///{file}", DatabaseRefused, EXIT_NOT_CONFIGURED)
    assert file.read_text().startswith("Dear Sir")


def test_a_folder_in_place_of_the_file(tmp_path):
    refusal(f"sqlite:///{tmp_path}", DatabaseRefused, EXIT_NOT_CONFIGURED)


def test_a_damaged_file(sqlite_file):
    data = bytearray(sqlite_file.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    sqlite_file.write_bytes(bytes(data))

    refusal(f"sqlite:///{sqlite_file}", DatabaseRefused, EXIT_NOT_CONFIGURED)


_AS_NOBODY = """
import os, sys
from taskserver.database import Database, DatabaseUnavailable
from taskserver.store import Store
store = Store.open(sys.argv[1])
os.seteuid(65534)
store.close()
try:
    with Store.open(sys.argv[1]).database.write() as connection:
        connection.exec_driver_sql("INSERT INTO jobs (task) VALUES ('ocr')")
except DatabaseUnavailable as error:
    print(type(error).__name__, error.exit_code, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_only_be_read(sqlite_file):
    """Also root writes where it may not: another user is needed to see it."""
    for folder in sqlite_file.parents:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    sqlite_file.chmod(0o644)

    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, f"sqlite:///{sqlite_file}"], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout.startswith("DatabaseUnavailable 1 ")
    assert "readonly" in done.stdout


def test_a_full_file(sqlite_file):
    database = Database(f"sqlite:///{sqlite_file}")
    with pytest.raises(DatabaseUnavailable) as caught, database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql(f"INSERT INTO jobs (task) VALUES ('{'x' * 100_000}')")

    assert type(caught.value) is DatabaseUnavailable
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar() == 0
    database.close()


# --- PostgreSQL


def test_a_port_where_nobody_listens():
    refusal(f"postgresql://user:{SECRET}@127.0.0.1:1/db", DatabaseUnavailable, EXIT_ERROR)


def test_a_socket_that_is_not_there(tmp_path):
    refusal(f"postgresql:///db?host={tmp_path}", DatabaseUnavailable, EXIT_ERROR)


def test_a_host_that_is_not_there():
    refusal(f"postgresql://user:{SECRET}@nowhere.invalid/db", DatabaseUnavailable, EXIT_ERROR)


def test_a_database_that_is_not_there(postgres):
    message = refusal(postgres.url("nothing_here"), DatabaseRefused, EXIT_NOT_CONFIGURED)

    assert "nothing_here" in message


def test_a_user_that_is_not_there(postgres):
    url = Database(postgres.url("postgres")).url.set(username="nobody_at_all", password=SECRET)

    refusal(url.render_as_string(hide_password=False), DatabaseRefused, EXIT_NOT_CONFIGURED)


@pytest.mark.parametrize("password", [SECRET, ""], ids=["wrong", "none"])
def test_a_wrong_password(postgres, locked_role, password):
    url = Database(postgres.url("postgres")).url.set(username=locked_role, password=password or None)

    refusal(url.render_as_string(hide_password=False), DatabaseRefused, EXIT_NOT_CONFIGURED)


def test_a_user_without_rights_on_the_tables(postgres, locked_role):
    name = postgres.copy()
    url = Database(postgres.url(name)).url.set(username=locked_role, password="right")

    refusal(url.render_as_string(hide_password=False), DatabaseRefused, EXIT_NOT_CONFIGURED)
    postgres.drop(name)


def test_a_statement_that_is_wrong_is_nobodys_fault_but_its_own(database):
    for statement in ("SELECT nonsense FROM jobs", "SELEC 1", "INSERT INTO nothing VALUES (1)"):
        with pytest.raises(DBAPIError), database.write() as connection:
            connection.exec_driver_sql(statement)


def test_the_upgrade_names_the_same_faults(postgres, tmp_path):
    with pytest.raises(DatabaseRefused):
        Store.create_or_upgrade(postgres.url("nothing_here"))
    with pytest.raises(DatabaseUnavailable):
        Store.create_or_upgrade(f"postgresql:///db?host={tmp_path}")


def test_that_nothing_is_heard_is_said_once_until_something_was(postgres, caplog):
    database = Database(postgres.url("postgres"))
    url, nobody = database.url, database.url.set(host="127.0.0.1", port=1, query={})

    def said() -> int:
        return sum(record.levelname == "WARNING" for record in caplog.records)

    database.url = nobody
    assert [database.listen(), database.listen()] == [None, None]
    assert said() == 1
    database.url = url
    listener = database.listen()
    assert listener is not None
    listener.close()
    database.url = nobody
    database.listen()
    assert said() == 2
    database.close()
