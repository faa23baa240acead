"""runit as process 1: up and ready, started again after kill -9, drained at a stop and at shutdown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import debian_packages
import pytest
from guest_server import BOOT_FILES, CONFIG, USER, USERS_DIR, GuestServer
from machine import Machine
from runit_guest import PACKAGES, RUNIT, SERVICES
from waiting import eventually

LOG = "/var/log/task-server/current"
SERVICE = "etc/sv/task-server"


@pytest.fixture(scope="module")
def server(installation_layer) -> Iterator[GuestServer]:
    """A guest that is on, with the service switched on."""
    debian_packages.require(PACKAGES)
    with Machine(RUNIT, layers=[installation_layer]) as machine:
        server = GuestServer(machine)
        folder = machine.root / SERVICE
        shutil.copytree(BOOT_FILES / "runit", folder)
        adapted = (folder / "conf").read_text().replace("\nCONFIG=\n", f"\nCONFIG={CONFIG}\n")
        server.write(f"/{SERVICE}/conf", adapted)
        (machine.root / SERVICES / "task-server").symlink_to(f"/{SERVICE}")
        machine.boot()
        yield server


def sv(server: GuestServer, *words: str) -> str:
    """What sv says; it has to succeed."""
    return server.machine.output("sv", "-w", "60", *words, "task-server")


@pytest.fixture
def running(server) -> GuestServer:
    """Started, if a test before has left it stopped, and ready: `sv start` waits for `check`."""
    eventually(lambda: server.machine.run("test", "-p", f"/{SERVICE}/supervise/ok", code=None).returncode == 0)
    sv(server, "start")
    return server


def test_it_is_up_and_check_tells_that_it_is_ready(running):
    assert running.is_ready()
    assert sv(running, "check").startswith("ok: run:")
    assert running.says(LOG, "ready, pid")


def test_after_kill_9_it_is_started_again_and_the_running_job_too(running):
    job = running.add("patient", "seconds=600")
    running.await_status(job, "running")

    first = running.kill()

    eventually(lambda: running.job(job)["crashes"] == 1, what="the job is taken back")
    running.await_status(job, "running")
    assert running.pid != first
    running.control("job", "stop", str(job))
    running.await_status(job, "stopped")


def test_a_stop_lets_a_running_job_end(running):
    job = running.add("awaits", f"file={USERS_DIR}/stop")
    running.await_status(job, "running")

    stopping = running.spawn("sv", "-w", "60", "stop", "task-server")
    eventually(lambda: running.says(LOG, "running jobs get up to 30 s"), what="its drain")
    (running.users_dir / "stop").touch()

    assert stopping.wait(timeout=60) == 0
    assert running.job(job)["status"] == "finished"
    assert sv(running, "status").startswith("down:")


def test_a_restart_makes_another_daemon(running):
    first = running.pid

    sv(running, "restart")

    assert running.is_ready()
    assert running.pid != first


def test_a_broken_configuration_is_told_and_not_tried_again_and_again(running):
    running.configure(max_parallel="many")

    running.machine.run("sv", "term", "task-server")
    eventually(lambda: running.says(LOG, "ended with exit code 6 and is not started again"), what="its end")
    eventually(
        lambda: sv(running, "status").partition(";")[0].endswith("normally up"), what="finish has set it down"
    )
    running.configure()

    assert running.says(LOG, "max_parallel")


def test_shutdown_drains_when_rc_shutdown_says_so(running):
    """Of itself runit's stage 3 kills after a few seconds, here at once."""
    stage = (running.machine.root / "etc/runit/3").read_text()
    running.write("/etc/runit/3", stage.replace("sv force-stop", f"pkill -KILL -u {USER}; sv force-stop"), 0o755)
    running.write("/etc/runit/rc.shutdown", "#!/bin/sh\nsv -w 90 stop task-server\n", 0o755)
    job = running.add("awaits", f"file={USERS_DIR}/off")
    running.await_status(job, "running")
    before = running.count(LOG, "running jobs get up to")

    running.machine.run(*RUNIT.poweroff, code=None)
    eventually(lambda: running.count(LOG, "running jobs get up to") > before, what="its drain")
    (running.users_dir / "off").touch()
    running.machine.await_off()

    assert running.job(job)["status"] == "finished"
