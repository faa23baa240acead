"""The log in a real journal: a run is found by its job, task and client; nothing is lost without a word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installation import MODULES, ROOT, SCRIPT
from machine import Machine
from systemd_guest import PROGRAM, SYSTEMD
from waiting import eventually

HOME = "/var/lib/taskserver"
UNIT = "task-server.service"
CONFIG = f"""\
[task_server]
users_dir = "{HOME}"
run_as = "taskserver"
modules = ["talking_tasks"]
python_path = ["{MODULES}"]
poll_interval = 0.2
max_parallel = 2
"""

pytestmark = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="systemd is not installed: install systemd")


@pytest.fixture(scope="module")
def guest(installation_layer: Path) -> Iterator[Machine]:
    """Booted, with the unit as it is shipped running, and a client acme."""
    with Machine(SYSTEMD, layers=[installation_layer]) as machine:
        machine.chroot("useradd", "--system", "--user-group", "--home-dir", HOME, "taskserver")
        machine.chroot("install", "--directory", "--owner=taskserver", "--group=taskserver", "--mode=750", HOME)
        shutil.copy(ROOT / "scripts/boot/systemd" / UNIT, machine.root / "etc/systemd/system")
        (machine.root / "opt/taskserver/etc/taskserver.toml").write_text(CONFIG)
        machine.boot()
        started = machine.run("systemctl", "start", UNIT, code=None)
        assert started.returncode == 0, machine.output("journalctl", "--no-pager", f"--unit={UNIT}")
        machine.run(str(SCRIPT), "client", "add", "acme", "--login", "batch")
        yield machine


def entries(machine: Machine, *matches: str) -> list[dict[str, Any]]:
    """What `journalctl JOB=4711` has, oldest first."""
    said = machine.output("journalctl", "--all", "--no-pager", "--output=json", *matches)
    return [json.loads(line) for line in said.splitlines()]


def so_many(machine: Machine, number: int, *matches: str) -> list[dict[str, Any]]:
    """The entries, once there are so many: the daemon has said them, and journald reads them when it can."""

    def look() -> list[dict[str, Any]] | None:
        found = entries(machine, *matches)
        return found if len(found) >= number else None

    told: list[dict[str, Any]] = eventually(look, what=f"{number} entries with {matches}", seconds=60, pause=0.1)
    return told


def run(machine: Machine, task: str, *arguments: str) -> str:
    """Queue a job for the client acme and wait for its end; its id."""
    added = machine.run(
        str(SCRIPT), "job", "add", "--json", "--wait", "--client=acme", task, *arguments, code=None
    )
    return str(json.loads(added.stdout)["id"])


def test_a_run_is_found_by_its_job_and_by_its_task_and_client(guest):
    job = run(guest, "letters.send", "customer=4711", "password=hunter22")

    found = so_many(guest, 5, f"JOB={job}")
    begins, first, second, third, ends = found
    run_id = first["RUN"]
    for entry in found:
        about = {key: entry[key] for key in ("JOB", "RUN", "TASK", "CLIENT", "SYSLOG_IDENTIFIER")}
        assert about == {
            "JOB": job,
            "RUN": run_id,
            "TASK": "letters.send",
            "CLIENT": "acme",
            "SYSLOG_IDENTIFIER": "taskserver",
        }
        assert entry["_SYSTEMD_UNIT"] == UNIT
    assert begins["MESSAGE"] == f"run {run_id} of job {job} begins: letters.send"
    assert (first["MESSAGE"], first["LOGGER"]) == ("customer 4711", "taskserver.task.letters.send")
    assert (second["MESSAGE"], second["LOGGER"]) == ("first line\nsecond line: ***", "library")
    assert (second["PRIORITY"], third["PRIORITY"]) == ("4", "6")
    assert third["MESSAGE"] == f"a long one {'x' * 200_000}"
    assert ends["MESSAGE"].startswith(f"run {run_id} of job {job} finished after")
    assert entries(guest, "TASK=letters.send", "CLIENT=acme") == found
    assert entries(guest, f"JOB={job}", "CLIENT=default") == []


def test_a_failure_is_found_by_its_priority(guest):
    job = run(guest, "fails")

    (told,) = so_many(guest, 1, f"JOB={job}", "PRIORITY=3")
    assert told["MESSAGE"].endswith("ValueError: no such customer")


def test_a_job_that_floods_is_held_back_and_another_is_heard(guest):
    flooding = run(guest, "flood", "lines=5000")
    other = run(guest, "letters.send", "customer=4712")

    of_flood = [entry["MESSAGE"] for entry in so_many(guest, 3, f"JOB={flooding}")]
    lost = [entry["MESSAGE"] for entry in entries(guest, "LOGGER=taskserver.logs")]
    kept = guest.output(str(SCRIPT), "job", "log", flooding).splitlines()
    assert len(of_flood) <= 2003
    assert any("further ones are left out here" in text for text in of_flood) or lost
    assert len(of_flood) > 100
    assert (kept[0], kept[-1]) == ("line 0", "line 4999")
    assert len(so_many(guest, 5, f"JOB={other}")) == 5


def test_a_journal_that_stands_still_stops_nothing_and_what_was_lost_is_said(guest):
    since = guest.output("date", "+%F %T")
    guest.run("systemctl", "kill", "--signal=STOP", "systemd-journald.service")
    try:
        job = run(guest, "flood", "lines=1500")
        assert guest.output(str(SCRIPT), "job", "log", job).splitlines()[-1] == "line 1499"
    finally:
        guest.run("systemctl", "kill", "--signal=CONT", "systemd-journald.service")

    after = run(guest, "letters.send", "customer=4713")

    so_many(guest, 5, f"JOB={after}")
    told = [entry["MESSAGE"] for entry in so_many(guest, 1, "LOGGER=taskserver.logs", f"--since={since}")]
    assert all("log lines could not be written: Resource temporarily unavailable" in text for text in told)
    assert sum(int(text.split()[0]) for text in told) > 1000


def test_after_a_restart_of_journald_it_goes_on(guest):
    guest.run("systemctl", "restart", "systemd-journald.service")

    job = run(guest, "letters.send", "customer=4714")

    assert len(so_many(guest, 5, f"JOB={job}")) == 5
    assert guest.output("systemctl", "is-active", UNIT) == "active"
