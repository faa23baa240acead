"""The guests themselves: that they boot, keep their disk, and leave nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cgroups import hierarchies, sweep
from installation import SCRIPT
from machine import BootFailed, Init, Machine
from systemd_guest import PROGRAM, SYSTEMD


@pytest.fixture(autouse=True)
def _bootable(bootable):
    """Skips this module where no machine can be booted."""


def traces(machine: Machine) -> list[Path]:
    """What a machine that is gone could have left."""
    places = [each.place / machine.name for each in hierarchies()]
    mounts = [
        Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if machine.name in line
    ]
    return [place for place in places if place.exists()] + mounts


@pytest.mark.skipif(not Path(PROGRAM).exists(), reason="systemd is not installed")
def test_what_a_guest_writes_is_there_after_a_reboot_and_after_a_power_cut(installation_layer):
    with Machine(SYSTEMD, layers=[installation_layer]) as machine:
        machine.boot()
        machine.run("sh", "-c", "echo first >/etc/taskserver-test")

        machine.reboot()
        first = machine.output("cat", "/etc/taskserver-test")
        machine.cut_power()
        machine.boot()
        second = machine.output("cat", "/etc/taskserver-test")
        version = machine.output(str(SCRIPT), "version")
        machine.poweroff()

        assert (first, second, machine.is_on) == ("first", "first", False)
        assert "0." in version
        assert not Path("/etc/taskserver-test").exists()
    assert traces(machine) == []


def test_a_guest_sees_neither_the_processes_nor_the_network_of_the_machine():
    with Machine(SLEEPER) as machine:
        machine.boot()

        assert "pytest" not in machine.output("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert machine.output("sh", "-c", "ls /sys/class/net").split() == ["lo"]
        assert machine.output("sh", "-c", "echo 1 >/proc/sys/vm/swappiness || echo refused") == "refused"


SLEEPER = Init(
    argv=("/bin/sleep", "600"),
    is_up=("grep", "-q", "sleep", "/proc/1/comm"),
    poweroff=("true",),
    reboot=("true",),
)


def test_an_init_that_ends_at_once_is_told_with_its_console():
    talker = Init(
        argv=("/bin/sh", "-c", "echo no such runlevel"), is_up=("false",), poweroff=("true",), reboot=("true",)
    )

    with Machine(talker) as machine, pytest.raises(BootFailed, match="no such runlevel"):
        machine.boot()

    assert traces(machine) == []


def test_what_a_killed_test_run_has_left_is_removed_by_the_next_machine(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    places = [each.place / f"taskserver-boot-{gone.pid}-1" for each in hierarchies()]
    for place in places:
        (place / "system.slice").mkdir(parents=True)

    sweep(tmp_path)

    assert [place for place in places if place.exists()] == []


def test_a_failure_while_it_runs_leaves_nothing_behind():
    def fail_in_a_booted_machine(machine: Machine) -> None:
        with machine:
            machine.boot()
            raise ZeroDivisionError

    machine = Machine(SLEEPER)
    with pytest.raises(ZeroDivisionError):
        fail_in_a_booted_machine(machine)

    assert traces(machine) == []
