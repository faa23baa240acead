"""The SQLite file of a working server is removed, or another one takes its name."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from contextlib import closing

import pytest
from waiting import eventually

from taskserver import task
from taskserver.config import Settings
from taskserver.database import Database, DatabaseMoved
from taskserver.server import Server
from taskserver.store import Store
from taskserver.tasks import Registry


@task("moved.quick")
def quick() -> str:
    return "done"


@task("moved.stubborn")
def stubborn(go_on: str) -> str:
    """Does not hear that its claim is lost, and returns when it is told to."""
    from pathlib import Path

    while not Path(go_on).exists():
        time.sleep(0.01)
    return "of the old file"


@pytest.fixture
def file(tmp_path, sqlite_template):
    shutil.copy(sqlite_template, tmp_path / "jobs.sqlite")
    return tmp_path / "jobs.sqlite"


@pytest.fixture
def server(file, tmp_path):
    registry = Registry([quick.__task__, stubborn.__task__])
    settings = Settings(users_dir=tmp_path, database=f"sqlite:///{file}", poll_interval=0.1, max_parallel=2)
    server = Server(settings, lambda _: registry, logging.getLogger("taskserver"))
    server.start(lambda _: None)
    yield server
    server.abandon()
    assert server.wait(30)
    assert server.failure is None


def remove(file):
    for place in file.parent.glob(f"{file.name}*"):
        place.unlink()


def put_in_place(backup, file):
    """What is beside the old file belongs to it alone."""
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    backup.rename(file)


def ended(file, job):
    def look():
        with Store.open(f"sqlite:///{file}") as store:
            found = store.jobs.get(job)
        return found if found["status"] == "finished" else None

    return eventually(look, what=f"job {job} has finished")


def enqueue(file, name, **data):
    with Store.open(f"sqlite:///{file}") as store:
        return store.jobs.enqueue(name, data).id


def test_a_removed_file_is_told_once_and_a_new_one_is_joined(server, file, caplog):
    first = enqueue(file, "moved.quick")
    ended(file, first)

    remove(file)
    eventually(lambda: "removed or replaced" in server.status()["database"])
    assert not file.exists(), "nobody made a file in its place"
    Store.create_or_upgrade(f"sqlite:///{file}")
    eventually(lambda: server.status()["database"] == "ok")

    ended(file, enqueue(file, "moved.quick"))
    with Store.open(f"sqlite:///{file}") as store:
        assert [node["alive"] for node in store.nodes.find()] == [True]
    assert caplog.text.count("removed or replaced while it was in use") == 1


def test_what_ran_for_the_old_file_is_never_written_to_the_new_one(server, file, tmp_path, sqlite_template):
    go_on = tmp_path / "go_on"
    old = enqueue(file, "moved.stubborn", go_on=str(go_on))
    eventually(lambda: server.status()["busy"] == 1)
    shutil.copy(sqlite_template, tmp_path / "backup.sqlite")
    new = enqueue(tmp_path / "backup.sqlite", "moved.stubborn", go_on=str(tmp_path / "later"))
    assert new == old

    put_in_place(tmp_path / "backup.sqlite", file)

    def is_claimed():
        with Store.open(f"sqlite:///{file}") as store:
            return store.jobs.get(new)["status"] == "running"

    eventually(is_claimed, what="the new file's job has the same number and the same claim")
    go_on.touch()
    with Store.open(f"sqlite:///{file}") as store:
        ended(file, store.jobs.enqueue("moved.quick").id)
        assert store.jobs.get(new)["status"] == "running"
        (tmp_path / "later").touch()
    assert ended(file, new)["result"] == "of the old file"


def test_from_a_backup_of_the_file_a_job_that_ran_runs_again(server, file, tmp_path):
    go_on = tmp_path / "go_on"
    job = enqueue(file, "moved.stubborn", go_on=str(go_on))
    eventually(lambda: server.status()["busy"] == 1)
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "backup.sqlite")) as backup:
        live.backup(backup)

    put_in_place(tmp_path / "backup.sqlite", file)
    with Store.open(f"sqlite:///{file}") as store:
        eventually(lambda: len(store.runs.find(job_id=job)) == 1, what="the run of the node that was is lost")
        go_on.touch()
        ended(file, job)

        assert sorted(run["status"] for run in store.runs.find(job_id=job)) == ["finished", "lost"]


def test_while_the_file_is_away_the_server_can_be_stopped(server, file):
    remove(file)
    eventually(lambda: "removed or replaced" in server.status()["database"])

    server.drain()

    assert server.wait(30)
    assert not file.exists()


def test_a_pinned_database_never_opens_another_file(file, tmp_path, sqlite_template):
    database = Database(f"sqlite:///{file}")
    database.pin()
    with database.read():
        pass

    shutil.copy(sqlite_template, tmp_path / "other")
    (tmp_path / "other").rename(file)

    with pytest.raises(DatabaseMoved), database.read():
        pass
    with pytest.raises(DatabaseMoved):
        database.connect()
    database.close()
