"""The daemon's life without work: it starts, answers, reloads and ends, however often and however many ask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from scratch_server import ROOT, SCRIPT, is_alive
from waiting import eventually

pytestmark = pytest.mark.slow


def takes_work(server):
    """Whether a daemon that was not started by `start` is ready: it says so itself."""
    done = server.control("status", "--json", code=None)
    status = json.loads(done.stdout)
    return status["state"] == "running" and status.get("answering")


def test_it_can_be_started_restarted_and_stopped_twenty_times_in_a_row(server):
    pids = []
    for number in range(20):
        pids.append(server.start())
        if number % 2:
            server.control("restart")
            pids.append(server.pid)
        server.stop()

    assert len(set(pids)) == 30
    assert not server.processes()
    server.control("status", code=3)
    for word in ("ERROR", "CRITICAL", "Traceback"):
        assert word not in server.log


def test_six_starts_at_once_give_one_daemon(server):
    starting = [server.spawn("start") for _ in range(6)]
    ended = [process.communicate(timeout=60) for process in starting]

    assert [process.returncode for process in starting] == [0] * 6, ended
    pid = server.pid
    assert all(f"pid {pid}" in err for _, err in ended)
    assert server.processes() == [pid]


def test_two_installations_cannot_share_one_sqlite_file(server, new_server):
    server.start()
    other = new_server(server.rows.url)

    done = other.control("start", code=1)

    assert "another task server" in done.stderr
    assert not other.processes()


def test_status_tells_all_about_the_daemon(server):
    server.configure(max_parallel=2)
    server.start()
    jobs = [server.insert("patient"), server.insert("patient"), server.insert("patient"), server.insert("quick")]
    eventually(lambda: server.status()["busy"] == 2 and server.status()["waiting"] == 2)

    status, text = server.status(), server.control("status").stdout

    assert status["pid"] == server.pid
    assert (status["state"], status["answering"], status["database"]) == ("running", True, "ok")
    assert (status["slots"], status["busy"], status["free"], status["waiting"]) == (2, 2, 0, 2)
    assert status["node_id"] == "here"
    assert len(status["boot_id"]) >= 32
    assert status["autostart"] is True
    assert 10 << 20 < status["memory_rss"] < 200 << 20
    age = datetime.now(UTC) - datetime.fromisoformat(status["since"])
    assert 0 <= age.total_seconds() < 60
    for word in ("2 busy, 0 free", "here", str(server.pid)):
        assert word in text
    server.control("job", "delete-all", "--yes")
    eventually(lambda: server.statuses() == [], what=f"jobs {jobs} are gone")


def test_status_imports_neither_database_nor_validation(server):
    server.start()

    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPT), "-c", str(server.config_file), "status", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert "click" in imported
    heavy = {"sqlalchemy", "pydantic", "rich", "alembic", "croniter", "psycopg", "asyncio"}
    assert not heavy & {name.partition(".")[0] for name in imported}


def test_reload_applies_what_it_can_and_names_the_rest(server):
    server.configure(max_parallel=1)
    pid = server.start()
    server.configure(max_parallel=3, poll_interval=1, node_id="elsewhere")

    done = server.control("reload")

    assert "node_id" in done.stderr
    assert "max_parallel" not in done.stderr
    status = server.status()
    assert (status["pid"], status["slots"], status["node_id"]) == (pid, 3, "here")


def test_reload_opens_the_log_anew(server):
    server.start()
    log = server.users_dir / "taskserver.log"
    log.rename(server.users_dir / "taskserver.log.1")

    server.control("reload")

    eventually(log.exists)
    assert log.stat().st_uid == (server.users_dir / "taskserver.log.1").stat().st_uid
    assert log.stat().st_mode & 0o777 == 0o640


def test_reload_brings_in_a_new_task(server):
    server.start()
    server.add_command("greet", "echo hello")

    server.control("reload")

    job = server.add("greet")
    assert server.wait(job) == ["finished"]
    assert server.job(job)["result"] == "hello"


SLOW_TO_IMPORT = """
import time
from pathlib import Path

folder = Path(__file__).parent
(folder / "importing").touch()
while not (folder / "imported").exists():
    time.sleep(0.01)
"""


def test_a_stop_before_it_is_ready_ends_it_with_nothing_claimed(any_server):
    server = any_server
    (server.folder / "slow_to_import.py").write_text(SLOW_TO_IMPORT)
    server.configure(modules=["slow_to_import"], python_path=[str(server.folder)])
    job = server.insert("info")
    starting = server.spawn("start")
    eventually((server.folder / "importing").exists)

    server.kill(signal.SIGTERM)
    eventually(lambda: "SIGTERM: ending at once" in server.log)
    (server.folder / "imported").touch()
    _, err = starting.communicate(timeout=60)

    assert starting.returncode == 1
    assert "stopped before it was ready" in err
    eventually(lambda: not server.processes())
    assert server.job(job)["status"] == "waiting"
    assert server.log.splitlines()[-1].endswith("ended")
    for word in ("takes work", "ready", "CRITICAL", "Traceback"):
        assert word not in server.log
    server.control("status", code=3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_the_foreground_it_ends_well_when_asked_to(server, number):
    daemon = server.spawn("run", stdout=subprocess.DEVNULL)
    eventually(lambda: takes_work(server))
    assert server.pid == daemon.pid
    job = server.insert("patient", seconds=0.5)
    eventually(lambda: server.job(job)["status"] != "waiting")

    daemon.send_signal(number)
    _, log = daemon.communicate(timeout=20)

    assert daemon.returncode == 0, log
    assert server.job(job)["status"] == "finished"
    assert "ready" in log, "its log goes to standard error"
    assert not (server.users_dir / "taskserver.pid").exists()


def test_a_second_signal_ends_it_at_once(server):
    daemon = server.spawn("-f", "start", stdout=subprocess.DEVNULL)
    eventually(lambda: takes_work(server))
    job = server.insert("deaf")
    eventually(lambda: server.is_running(job))
    daemon.send_signal(signal.SIGTERM)
    eventually(lambda: server.status()["state"] == "draining")

    daemon.send_signal(signal.SIGTERM)
    _, log = daemon.communicate(timeout=10)

    assert daemon.returncode == 0, log
    row = server.job(job)
    assert (row["status"], row["attempt"], row["crashes"]) == ("waiting", 0, 0)


def test_usr2_writes_what_every_thread_does_to_the_log(server):
    server.start()
    job = server.insert("patient")
    eventually(lambda: server.is_running(job))

    server.kill(signal.SIGUSR2)

    eventually(lambda: "acceptance_tasks.py" in server.log, what="the running task is in the dump")
    assert "Thread" in server.log
    assert server.is_running(job)


def test_wake_finds_a_plain_insert_long_before_the_poll_interval(server):
    server.configure(poll_interval=600)
    server.start()

    for wake in (lambda: server.control("wake"), lambda: server.kill(signal.SIGALRM)):
        job = server.insert("quick")
        wake()
        eventually(lambda job=job: server.job(job)["status"] == "finished", seconds=3)


def test_stop_works_without_a_readable_configuration(server):
    pid = server.start()
    server.config_file.write_text("[task_server\nusers_dir = ")

    server.control("status", "--users-dir", str(server.users_dir), code=0)
    server.control("stop", "--users-dir", str(server.users_dir), code=0)

    assert not is_alive(pid)


def test_a_start_that_fails_says_why_and_leaves_nothing_running(server):
    server.configure(modules=["no_such_module"])

    done = server.control("start", code=None)

    assert done.returncode != 0
    assert "no_such_module" in done.stderr
    eventually(lambda: not server.processes(), what="nothing of it runs")
    server.control("status", code=3)


def test_children_hold_neither_the_pidfile_nor_the_database(server):
    server.add_command("linger", 'echo $$ > "$1"; exec sleep 60')
    server.commands["linger"]["command"] += ["linger", "{mark}"]
    server.configure()
    server.start()
    mark = server.folder / "mark"
    server.insert("linger", mark=str(mark))
    child = int(eventually(lambda: mark.exists() and mark.read_text().strip()))

    files = {os.readlink(f"/proc/{child}/fd/{name}") for name in os.listdir(f"/proc/{child}/fd")}  # noqa: PTH115, PTH208

    assert not [file for file in files if file.startswith(str(server.users_dir))]
    assert str(ROOT) not in " ".join(files - {os.devnull})
    server.stop("--now")
    assert not is_alive(child)
