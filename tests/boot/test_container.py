"""The daemon itself as process 1 of its own namespaces, as a container without an init before it has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guest_server import CONFIG, USER, USERS_DIR, GuestServer
from installation import SCRIPT
from machine import Init, Machine
from waiting import eventually

CONTAINER = Init(
    argv=("setpriv", "--reuid", USER, "--regid", USER, "--init-groups", str(SCRIPT), "-c", CONFIG, "run"),
    is_up=("sh", "-c", f"{SCRIPT} -c {CONFIG} status --json | grep -q '\"answering\": true'"),
    poweroff=("kill", "-TERM", "1"),
    reboot=("false",),
)


@pytest.fixture
def server(installation_layer) -> Iterator[GuestServer]:
    with Machine(CONTAINER, layers=[installation_layer]) as machine:
        server = GuestServer(machine)
        server.add_command("orphan", "(sleep 600 & echo $! >$0/orphan) ; (true &) ; exit 0")
        machine.boot()
        yield server


def test_as_process_1_it_works_buries_its_orphans_and_drains_at_sigterm(server):
    machine = server.machine
    assert server.pid == 1
    assert machine.output("ps", "-o", "user=", "-p", "1") == USER

    server.await_status(server.add("orphan"), "finished")
    orphan = (server.users_dir / "orphan").read_text().strip()
    eventually(lambda: machine.run("kill", "-0", orphan, code=None).returncode != 0, what="the orphan is gone")
    assert "Z" not in machine.output("ps", "-e", "-o", "stat=")

    machine.run("kill", "-HUP", "1")
    eventually(lambda: "reading the configuration again" in machine.console, what="its reload")
    job = server.add("awaits", f"file={USERS_DIR}/go")
    server.await_status(job, "running")
    machine.run("kill", "-TERM", "1")
    eventually(lambda: "running jobs get up to 30 s" in machine.console, what="its drain")
    (server.users_dir / "go").touch()
    eventually(lambda: not machine.is_on, what="its end")

    assert server.job(job)["status"] == "finished"
