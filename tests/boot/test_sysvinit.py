"""System V init as process 1: up in runlevel 2, drained at shutdown, back after a reboot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import debian_packages
import pytest
from guest_server import SYSTEM_V, USER, USERS_DIR, GuestServer
from machine import Machine
from sysvinit_guest import PACKAGES, SYSVINIT, enable
from waiting import eventually


@pytest.fixture
def server(installation_layer) -> Iterator[GuestServer]:
    """A guest that is off, with the init script and its defaults."""
    debian_packages.require(PACKAGES)
    with Machine(SYSVINIT, layers=[installation_layer]) as machine:
        server = GuestServer(machine, run_as=USER, drain_timeout=5)
        server.write("/etc/init.d/task-server", SYSTEM_V.read_text(), 0o755)
        server.write("/etc/default/task-server", "CONFIG=/etc/elsewhere.toml\n")
        server.move_config("/etc/elsewhere.toml")
        yield server


def test_it_is_up_in_runlevel_2_drained_at_shutdown_and_back_after_a_reboot(server):
    machine = server.machine
    said = enable(machine, "task-server")

    machine.boot()
    level = machine.output("runlevel")
    began_ready = server.is_ready()
    entry = server.schedule("letters", "quick", "--cron", "30 4 * * *", "--time-zone", "UTC")
    short, long = server.add("awaits", f"file={USERS_DIR}/go"), server.add("patient", "seconds=600")
    for job in (short, long):
        server.await_status(job, "running")
    machine.run("poweroff", code=None)
    eventually(lambda: "running jobs get up to 5 s" in server.log, what="its drain")
    (server.users_dir / "go").touch()
    machine.await_off()

    assert (said, level, began_ready) == ("", "N 2", True)
    assert server.job(short)["status"] == "finished"
    drained = server.job(long)
    assert (drained["status"], drained["attempt"], drained["crashes"]) == ("waiting", 0, 0)
    assert not (server.users_dir / "taskserver.pid").exists()

    # While it was off three days went by.
    due = (datetime.now(UTC) - timedelta(days=3)).replace(hour=4, minute=30, second=0, microsecond=0)
    server.rows("UPDATE jobs SET next_run_at = ? WHERE id = ?", f"{due:%Y-%m-%d %H:%M:%S}.000000", entry)
    machine.boot()
    queued = eventually(lambda: server.rows("SELECT * FROM jobs WHERE cron_entry_id = ?", entry), what="its job")
    server.await_status(long, "running")

    assert [server.await_status(job["id"], "finished")["task"] for job in queued] == ["quick"]

    server.machine.reboot()

    assert server.is_ready()
    server.await_status(long, "running")
    assert len(server.rows("SELECT * FROM jobs WHERE cron_entry_id = ?", entry)) == 1
