"""The init script alone under systemd, which makes a unit of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from guest_server import SYSTEM_V, USER, GuestServer
from installation import SCRIPT
from machine import Machine
from systemd_guest import PROGRAM, SYSTEMD, journal, show

pytestmark = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="systemd is not installed")
UNIT = "task-server.service"


@pytest.fixture(params=["copy", "link"])
def server(request, installation_layer) -> Iterator[GuestServer]:
    """A guest that is off, with nothing but the script in /etc/init.d and a link in its runlevel."""
    with Machine(SYSTEMD, layers=[installation_layer]) as machine:
        server = GuestServer(machine, run_as=USER)
        if request.param == "copy":
            server.write("/etc/init.d/task-server", SYSTEM_V.read_text(), 0o755)
        else:
            (machine.root / "etc/init.d/task-server").symlink_to(SCRIPT)
        (machine.root / "etc/rc3.d/S01task-server").symlink_to("../init.d/task-server")
        yield server


def test_a_script_in_init_d_is_a_unit(server):
    machine = server.machine

    machine.boot()

    assert machine.output("systemctl", "is-active", UNIT) == "active"
    assert show(machine, UNIT, "FragmentPath") == f"/run/systemd/generator.late/{UNIT}"
    assert show(machine, UNIT, "CanReload") == "yes"
    assert server.is_ready()
    first = server.pid
    machine.run("systemctl", "start", UNIT)
    machine.run("systemctl", "reload", UNIT)
    assert server.pid == first
    assert "SIGHUP: reading the configuration again" in server.log

    machine.run("systemctl", "restart", UNIT)
    assert server.pid != first
    machine.run("systemctl", "stop", UNIT)
    assert server.daemons() == []
    server.configure(max_parallel="many")
    # The generator declares LSB's 5 and 6 (not installed, not configured) a success; the journal tells.
    machine.run("systemctl", "start", UNIT, code=None)
    assert server.daemons() == []
    assert "max_parallel" in journal(machine, UNIT)
