"""The job file for upstart under a supervisor that does what upstart does; nowhere is upstart itself in reach."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from upstart import Job, Upstart
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"
JOB_FILE = ROOT / "scripts" / "boot" / "upstart" / "task-server.conf"
MODULES = ROOT / "tests" / "boot" / "task_modules"


class Service:
    """The job file, adapted to this checkout, and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "taskserver.toml"
        self.configure()
        text = JOB_FILE.read_text().replace("/opt/taskserver", str(ROOT)).replace("setuid taskserver\n", "")
        (folder / "task-server.conf").write_text(text)
        self.job = Job.read(folder / "task-server.conf")
        self.upstart = Upstart(self.job, {"PATH": os.environ["PATH"], "TASKSERVER_CONFIG": str(self.config)})

    def configure(self, **settings: Any) -> None:
        known = {
            "users_dir": str(self.folder / "users"),
            "modules": ["boot_tasks"],
            "python_path": [str(MODULES)],
            "poll_interval": 0.1,
            "allow_root": True,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in (known | settings).items()]
        self.config.write_text("\n".join(["[task_server]", *lines, ""]))

    def control(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "-c", str(self.config), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def add(self, task: str, *arguments: str) -> int:
        return int(json.loads(self.control("job", "add", task, *arguments, "--json"))["id"])

    def status_of(self, job: int) -> str:
        connection = sqlite3.connect(self.folder / "users" / "taskserver.sqlite", timeout=10)
        try:
            return str(connection.execute("SELECT status FROM jobs WHERE id = ?", (job,)).fetchone()[0])
        finally:
            connection.close()

    def await_status(self, job: int, status: str) -> None:
        eventually(lambda: self.status_of(job) == status, what=f"job {job} is {status}")

    def await_state(self, state: str) -> None:
        eventually(lambda: self.upstart.state == state, what=state, seconds=90)


@pytest.fixture
def service() -> Iterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="ts"))
    service = Service(folder)
    yield service
    if service.upstart.state != "stop/waiting":
        service.upstart.stop()
    shutil.rmtree(folder)


def test_it_counts_as_started_once_it_takes_work(service):
    service.upstart.start()
    service.await_state("start/running")

    status = json.loads(service.control("status", "--json"))
    assert (status["pid"], status["state"], status["answering"]) == (service.upstart.pids[0], "running", True)
    service.await_status(service.add("quick"), "finished")


def test_after_kill_9_it_is_respawned_and_the_running_job_too(service):
    service.upstart.start()
    service.await_state("start/running")
    job = service.add("patient", "seconds=600")
    service.await_status(job, "running")

    os.kill(service.upstart.pids[0], signal.SIGKILL)

    eventually(lambda: len(service.upstart.pids) == 2, what="a second process")
    service.await_state("start/running")
    service.await_status(job, "running")
    assert json.loads(service.control("status", "--json"))["pid"] == service.upstart.pids[1]
    service.control("job", "stop", str(job))
    service.await_status(job, "stopped")


def test_a_stop_drains_within_the_kill_timeout(service):
    service.upstart.start()
    service.await_state("start/running")
    job = service.add("awaits", f"file={service.folder}/go")
    service.await_status(job, "running")

    stopping = threading.Thread(target=service.upstart.stop)
    stopping.start()
    eventually(lambda: '"state": "draining"' in service.control("status", "--json"), what="its drain")
    (service.folder / "go").touch()
    stopping.join()

    assert not service.upstart.killed
    assert service.status_of(job) == "finished"
    assert service.upstart.state == "stop/waiting"
    assert len(service.upstart.pids) == 1


def test_a_stop_by_the_control_program_is_no_reason_to_respawn(service):
    service.upstart.start()
    service.await_state("start/running")

    service.control("stop")

    service.await_state("stop/waiting")
    assert len(service.upstart.pids) == 1


def test_what_a_restart_does_not_mend_is_not_respawned(service):
    service.configure(max_parallel="many")

    service.upstart.start()
    eventually(lambda: service.upstart.pids, what="the process")

    service.await_state("stop/waiting")
    assert len(service.upstart.pids) == 1


def test_a_program_that_fails_at_once_is_given_up(service, tmp_path):
    failing = JOB_FILE.read_text().replace("setuid taskserver\n", "")
    failing = failing.replace("/opt/taskserver/scripts/task_server.py run --expect-stop", "/bin/sh -c 'exit 1'")
    (tmp_path / "failing.conf").write_text(failing)
    upstart = Upstart(Job.read(tmp_path / "failing.conf"), {"PATH": os.environ["PATH"]})

    upstart.start()

    eventually(lambda: len(upstart.pids) == 6 and upstart.state == "stop/waiting", what="six tries")


def test_a_stanza_that_this_supervisor_does_not_know_is_no_secret(tmp_path):
    (tmp_path / "odd.conf").write_text("exec /bin/true\nchroot /somewhere\n")

    with pytest.raises(KeyError, match="chroot"):
        Job.read(tmp_path / "odd.conf")
