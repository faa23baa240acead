"""The database restarts, is locked, or its disk is full while jobs run: the daemon goes on, nothing is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own_postgres(postgres):
    """A second server, which may be restarted without disturbing other tests."""
    server = type(postgres)()
    yield server
    server.close()


@pytest.fixture
def on_own_postgres(own_postgres, new_server):
    name = own_postgres.copy()
    server = new_server(own_postgres.url(name))
    server.rows.execute("CREATE TABLE effects (name text)")
    return server


def restart(postgres, mode):
    """Stop the server as an administrator does, without asking its clients, and start it anew."""
    data = postgres.folder / "data"
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
    eventually(lambda: not (data / "postmaster.pid").exists() or not Path(f"/proc/{postmaster}").exists())
    eventually(lambda: not Path(f"/proc/{postmaster}").exists())
    yield
    postgres.server.ensure_postgres_running()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql_in_the_middle_of_a_run_loses_nothing(own_postgres, on_own_postgres, mode):
    server = on_own_postgres
    server.configure(max_parallel=2)
    pid = server.start()
    running = [server.insert("slow_effect", name=f"running {number}", seconds=2) for number in range(2)]
    waiting = [server.insert("slow_effect", name=f"waiting {number}", seconds=0) for number in range(4)]
    eventually(lambda: all(server.is_running(job) for job in running))

    for _ in restart(own_postgres, mode):
        eventually(lambda: server.status()["database"] != "ok", what="status tells that the database is gone")
        server.control("status", code=0)
    eventually(lambda: server.statuses() == ["finished"] * 6 or "failed" in server.statuses(), seconds=30)

    assert server.pid == pid
    assert server.statuses() == ["finished"] * 6
    names = sorted(row["name"] for row in server.rows.query("SELECT name FROM effects"))
    assert names == sorted(
        f"{word} {number}" for word, count in (("running", 2), ("waiting", 4)) for number in range(count)
    )
    assert all([run["status"] for run in server.runs(job)] == ["finished"] for job in running + waiting)
    assert server.log.count("trying again") == 1
    assert server.log.count("answers again") == 1
    assert "Traceback" not in server.log
    job = server.insert("quick")
    eventually(lambda: server.job(job)["status"] == "finished", what="it listens again")


def test_a_restart_inside_a_jobs_own_transaction_costs_no_attempt(own_postgres, on_own_postgres):
    server = on_own_postgres
    server.start()
    job = server.insert("effect", name="half", seconds=1)
    eventually(lambda: server.is_running(job))

    for _ in restart(own_postgres, "immediate"):
        eventually(lambda: server.status()["database"] != "ok")
    (status,) = server.wait(job)

    assert status == "finished"
    assert server.job(job)["attempt"] == 0
    assert [run["status"] for run in server.runs(job)].count("finished") == 1
    assert len(server.rows.query("SELECT name FROM effects")) == 1


def test_a_start_waits_for_a_database_that_is_not_there_yet(own_postgres, on_own_postgres):
    server = on_own_postgres
    for _ in restart(own_postgres, "fast"):
        starting = server.spawn("start")
        eventually(lambda: server.control("status", code=None).returncode == 0)
        assert starting.poll() is None
    _, err = starting.communicate(timeout=20)

    assert starting.returncode == 0, err
    job = server.insert("quick")
    eventually(lambda: server.job(job)["status"] == "finished")


def test_a_start_does_not_wait_for_ever(server):
    server.configure(database="postgresql://127.0.0.1:1/jobs", database_wait=0.5)

    done = server.control("start", code=None)

    assert "127.0.0.1" in done.stderr
    server.control("status", code=0)
    assert server.status()["state"] == "waiting for database"
    server.stop()


def test_a_start_does_not_wait_for_what_waiting_cannot_mend(server, postgres):
    cases = {postgres.url("no_such_database"): 6, postgres.url("postgres"): 154}
    for url, code in cases.items():
        server.configure(database=url, database_wait=30)
        done = server.control("start", code=code)
        assert done.stderr.strip()
        assert not server.processes()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0750", "acceptance", folder],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not mounted:
        pytest.skip("a small file system cannot be mounted here: needs root and leave to mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_delays_outcomes_and_loses_none(new_server, small_disk):
    server = new_server(f"sqlite:///{small_disk}/jobs.sqlite", max_parallel=4)
    pid = server.start()
    server.rows.execute("CREATE TABLE effects (name text)")
    jobs = [server.insert("patient", seconds=1.5) for _ in range(4)]
    jobs += [server.insert("quick", word="w" * 2000) for _ in range(30)]
    eventually(lambda: server.statuses().count("running") == 4)

    filler = small_disk / "filler"
    fill(filler)
    eventually(lambda: server.status()["database"] != "ok", what="status tells that the disk is full")
    eventually(lambda: server.log.count("trying again") == 1)
    eventually(lambda: server.status()["busy"] == 0, what="the jobs have ended though nobody can write it down")
    assert "finished" not in server.statuses()[:4]
    filler.unlink()

    eventually(lambda: server.statuses() == ["finished"] * 34, seconds=20)
    assert server.pid == pid
    assert all([run["status"] for run in server.runs(job)] == ["finished"] for job in jobs)
    assert (server.log.count("trying again"), server.log.count("answers again")) == (1, 1)
    assert "Traceback" not in server.log


def fill(file):
    """Take all the room there is, down to the last byte."""
    with file.open("wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while filler.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


def test_a_database_locked_by_another_program_delays_jobs_and_loses_none(server):
    server.configure(poll_interval=0.5, max_parallel=8)
    server.start()
    running = [server.insert("patient", seconds=0.7) for _ in range(4)]
    waiting = [server.insert("quick") for _ in range(20)]
    eventually(lambda: all(server.is_running(job) for job in running))

    other = sqlite3.connect(server.rows.url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO jobs (task) VALUES ('quick')")
    eventually(lambda: server.status()["busy"] == 0)
    eventually(lambda: server.status()["database"] == "locked", seconds=10)
    other.execute("COMMIT")
    other.close()

    eventually(lambda: server.statuses() == ["finished"] * 25, seconds=5)
    assert all([run["status"] for run in server.runs(job)] == ["finished"] for job in running + waiting)
    assert server.log.count("has been locked") == 1
    assert "Traceback" not in server.log
    assert server.status()["database"] == "ok"


def test_a_removed_sqlite_file_is_told_and_a_new_one_is_worked_on(server):
    pid = server.start()
    for place in server.users_dir.glob("taskserver.sqlite*"):
        place.unlink()
    eventually(lambda: "removed or replaced" in server.status()["database"])
    assert "removed or replaced" in server.control("status").stdout

    server.control("db", "upgrade")
    job = server.add("quick")

    assert server.wait(job) == ["finished"]
    assert server.pid == pid
    assert server.status()["database"] == "ok"
    assert server.log.count("removed or replaced") == 1
    assert "Traceback" not in server.log
