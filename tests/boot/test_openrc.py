"""OpenRC as process 1: up and ready, started again after kill -9, drained at a stop and at shutdown."""

from __future__ import annotations

from collections.abc import Iterator

import debian_packages
import pytest
from guest_server import BOOT_FILES, CONFIG, USERS_DIR, GuestServer
from machine import Machine
from openrc_guest import OPENRC, PACKAGES
from waiting import eventually

LOG = "/var/log/task-server.log"


@pytest.fixture(scope="module")
def server(installation_layer) -> Iterator[GuestServer]:
    """A guest that is on, whose runlevel holds the service."""
    debian_packages.require(PACKAGES)
    with Machine(OPENRC, layers=[installation_layer]) as machine:
        server = GuestServer(machine)
        server.write("/etc/init.d/task-server", (BOOT_FILES / "openrc" / "task-server").read_text(), 0o755)
        server.write("/etc/conf.d/task-server", f"CONFIG={CONFIG}\nrespawn_delay=1\nrespawn_max=2\n")
        machine.chroot("rc-update", "add", "task-server", "default")
        machine.boot()
        yield server


def service(server: GuestServer, action: str) -> int:
    return server.machine.run("rc-service", "task-server", action, code=None).returncode


@pytest.fixture
def running(server) -> GuestServer:
    """Started, if a test before has left it stopped."""
    assert service(server, "start") == 0
    return server


def test_it_is_ready_when_the_runlevel_is_up(server):
    """`boot` returned when OpenRC said so, and it said so no sooner than the task server."""
    assert server.is_ready()
    assert service(server, "status") == 0
    assert server.daemons() == [server.pid]


def test_after_kill_9_it_is_started_again_and_the_running_job_too(running):
    job = running.add("patient", "seconds=600")
    running.await_status(job, "running")

    first = running.kill()

    eventually(lambda: running.job(job)["crashes"] == 1, what="the job is taken back")
    running.await_status(job, "running")
    assert running.pid != first
    assert service(running, "status") == 0
    running.control("job", "stop", str(job))
    running.await_status(job, "stopped")


def test_a_stop_lets_a_running_job_end(running):
    job = running.add("awaits", f"file={USERS_DIR}/stop")
    running.await_status(job, "running")

    stopping = running.spawn("rc-service", "task-server", "stop")
    eventually(lambda: running.says(LOG, "running jobs get up to 30 s"), what="its drain")
    (running.users_dir / "stop").touch()

    assert stopping.wait(timeout=60) == 0
    assert running.job(job)["status"] == "finished"
    assert service(running, "status") == 3
    assert running.daemons() == []


def test_reload_reads_the_configuration_again(running):
    pid = running.pid
    before = running.count(LOG, "SIGHUP: reading the configuration again")

    assert service(running, "reload") == 0

    assert running.count(LOG, "SIGHUP: reading the configuration again") == before + 1
    assert running.pid == pid


def test_a_broken_configuration_is_told_and_not_tried_again_and_again(running):
    assert service(running, "stop") == 0
    running.configure(max_parallel="many")

    done = running.machine.run("rc-service", "task-server", "start", code=None)
    running.configure()

    assert done.returncode != 0
    assert "max_parallel" in done.stderr
    assert service(running, "status") == 3
    assert running.machine.run("pgrep", "supervise-daemo", code=None).stdout == ""


def test_what_fails_later_than_the_configuration_ends_the_waiting(running):
    """supervise-daemon tries some times; `start` says that it gave up instead of waiting for ever."""
    assert service(running, "stop") == 0
    running.configure(modules=["no_such_module"])

    done = running.machine.run("rc-service", "task-server", "start", code=None)
    running.configure()

    assert done.returncode != 0
    assert "it gave up" in done.stdout + done.stderr
    assert service(running, "zap") == 0


def test_shutdown_drains_too(running):
    job = running.add("awaits", f"file={USERS_DIR}/off")
    running.await_status(job, "running")
    before = running.count(LOG, "running jobs get up to")

    running.machine.run(*OPENRC.poweroff, code=None)
    eventually(lambda: running.count(LOG, "running jobs get up to") > before, what="its drain")
    (running.users_dir / "off").touch()
    running.machine.await_off()

    assert running.job(job)["status"] == "finished"
