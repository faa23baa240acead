"""`install` and `uninstall` for real: under the init system that boots the guest, by the commands of the README.

A machine that has never seen the task server gets it with one command, has it after a power cut, and is without a
trace of it again after another.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import debian_packages
import openrc_guest
import pytest
import runit_guest
import systemd_guest
import sysvinit_guest
from installation import PLACE, SCRIPT
from machine import Init, Machine
from waiting import eventually

pytestmark = pytest.mark.slow

USER = "erp-tasks"
CONFIG = PLACE / "etc" / "taskserver.toml"
USERS_DIR = PLACE / "users"
ACCOUNTS = ("passwd", "group", "shadow", "gshadow")
VOLATILE = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/var/log", "/var/cache", "/var/tmp", "/var/backups"),
    *("/var/lib/systemd", "/var/lib/logrotate", "/var/lib/urandom"),
)
"""What a system that runs changes by itself."""


@dataclass(frozen=True)
class Kind:
    """One init system, and how an administrator asks it."""

    init: Init
    packages: tuple[str, ...]
    start: tuple[str, ...]
    program: str = ""


KINDS = {
    "systemd": Kind(systemd_guest.SYSTEMD, (), ("systemctl", "start", "task-server"), systemd_guest.PROGRAM),
    "sysv": Kind(sysvinit_guest.SYSVINIT, sysvinit_guest.PACKAGES, ("service", "task-server", "start")),
    "openrc": Kind(openrc_guest.OPENRC, openrc_guest.PACKAGES, ("rc-service", "task-server", "start")),
    "runit": Kind(runit_guest.RUNIT, runit_guest.PACKAGES, ("sv", "start", "task-server")),
}


@pytest.fixture
def machine(installation_layer: Path, kind: str) -> Iterator[Machine]:
    """A booted guest with the installation in /opt/taskserver, and nothing else of ours."""
    wanted = KINDS[kind]
    if wanted.program and not Path(wanted.program).exists():
        pytest.skip(f"{kind} is not installed")
    debian_packages.require(wanted.packages)
    with Machine(wanted.init, layers=[installation_layer]) as machine:
        if kind == "sysv":
            for script in sysvinit_guest.SHUTDOWN:
                machine.chroot("update-rc.d", script, "defaults")
        machine.boot()
        yield machine


def names(machine: Machine) -> set[str]:
    """What the guest has more, or less, than the machine it is a copy of, but for what changes by itself.

    Read from its own layer of the disk, as the machine below goes on changing. insserv numbers all links anew with
    each script that comes or goes: their numbers don't count.
    """
    layer = machine.root.parent / "upper"
    found = set()
    for folder, folders, files in os.walk(layer):
        place = Path("/") / Path(folder).relative_to(layer)
        folders[:] = [each for each in folders if str(place / each) not in VOLATILE and each != "__pycache__"]
        for each in (*folders, *files):
            is_removed = stat.S_ISCHR((Path(folder) / each).lstat().st_mode)
            if is_removed or not os.path.lexists(place / each):
                found.add(re.sub(r"^(/etc/rc.\.d/[SK])\d\d", r"\1..", str(place / each)))
    return {name for name in found if ".depend." not in name}


def contents(machine: Machine) -> dict[str, str]:
    """The files that installing may change, as they are."""
    places = [*(f"/etc/{name}" for name in ACCOUNTS), str(CONFIG)]
    return {place: machine.output("cat", place) for place in places}


def control(machine: Machine, *arguments: str) -> str:
    done = machine.run(str(SCRIPT), *arguments)
    return done.stdout + done.stderr


def is_ready(machine: Machine) -> bool:
    """Whether it runs, and says of itself that it takes work."""
    done = machine.run("task_server", "status", "--json", code=None)
    said = json.loads(done.stdout) if done.returncode == 0 else {}
    return said.get("state") == "running" and bool(said.get("answering"))


def owner_and_mode(machine: Machine, place: Path) -> str:
    return machine.output("stat", "--format", "%U:%G %a", str(place))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_machine_gets_it_has_it_after_a_power_cut_and_is_bare_again(machine, kind):
    before, files = names(machine), contents(machine)

    said = control(machine, "install", "--run-as", USER, "--enable")
    again = control(machine, "install", "--run-as", USER, "--enable")

    assert "run: useradd --system" in said
    assert f"write: {'/usr/local/share/man/man8/task_server.8'}" in said
    assert "nothing was changed" in again
    assert "run:" not in again
    assert owner_and_mode(machine, USERS_DIR) == f"{USER}:{USER} 750"
    assert machine.output("getent", "passwd", USER).endswith(f":{USERS_DIR}:/usr/sbin/nologin")
    assert f'run_as = "{USER}"' in machine.output("cat", str(CONFIG))

    machine.cut_power()
    machine.boot()

    eventually(lambda: is_ready(machine), what="the daemon takes work", seconds=60)
    assert machine.run("pgrep", "--uid", USER, "-f", "task_server.py").stdout
    assert "finished" in machine.output("task_server", "job", "add", "sample", "seconds=0.1", "--wait")

    dry = control(machine, "uninstall", "--dry-run")
    kept = control(machine, "uninstall")

    eventually(lambda: machine.run("pgrep", "--uid", USER, code=None).stdout == "", what="nothing of it runs")
    assert f"keep: {USERS_DIR}: it holds data" in kept
    assert f"keep: {USER}: this user owns the data" in kept
    assert set(kept.splitlines()) <= set(dry.splitlines())
    assert {name for name in names(machine) - before if not name.startswith(str(USERS_DIR))} == {
        "/var/lib/taskserver-installed",
        "/var/lib/taskserver-installed/task-server.json",
    }

    control(machine, "uninstall", "--purge")

    assert names(machine) == before
    assert contents(machine) == files
    assert "is not installed; nothing was changed" in control(machine, "uninstall")


@pytest.mark.parametrize("kind", ["sysv"])
@pytest.mark.parametrize("place", [USERS_DIR / "taskserver.log", Path("/var/log/erp-tasks.log")], ids=str)
def test_the_log_of_the_daemon_is_rotated_and_stays_its_users(machine, kind, place):
    config = machine.output("cat", str(CONFIG)).replace(
        '# log_file = "users/taskserver.log"', f'log_file = "{place}"'
    )
    machine.run("tee", str(CONFIG), stdin=config)
    control(machine, "install", "--run-as", USER, "--enable")
    machine.run(*KINDS[kind].start)
    log = machine.root / str(place).lstrip("/")

    machine.run("logrotate", "--force", "--state", "/root/rotated", "/etc/logrotate.d/task-server")
    old = log.with_name(f"{log.name}.1").read_text()
    control(machine, "reload")

    assert "ready, pid" in old
    eventually(lambda: "SIGHUP" in log.read_text(), what="a line in the new file")
    assert log.with_name(f"{log.name}.1").read_text() == old
    assert owner_and_mode(machine, place) == f"{USER}:{USER} 640"

    kept = control(machine, "uninstall")
    control(machine, "uninstall", "--purge")

    assert f"keep: {place if place.parent != USERS_DIR else USERS_DIR}: it holds data" in kept
    assert not log.exists()
    assert machine.run("getent", "passwd", USER, code=2).stdout == ""


@pytest.mark.parametrize("kind", ["systemd"])
def test_data_of_somebody_else_are_never_taken_over(machine):
    control(machine, "--allow-root", "start")
    control(machine, "stop")
    before, files = names(machine), contents(machine)

    refused = machine.run(str(SCRIPT), "install", "--run-as", USER, code=6)

    assert f"the users directory {USERS_DIR} belongs to root" in refused.stderr
    assert (names(machine), contents(machine)) == (before, files)

    # It says what to do: exactly that, then it works.
    for command in re.findall("`((?:useradd|chown) .+?)`", refused.stderr):
        machine.run("sh", "-c", command)
    said = control(machine, "install", "--run-as", USER, "--enable")
    assert "useradd" not in said
    assert owner_and_mode(machine, USERS_DIR / "taskserver.sqlite").startswith(f"{USER}:{USER}")


@pytest.mark.parametrize("kind", ["systemd"])
def test_a_tool_that_fails_is_told_and_what_was_done_can_be_taken_back(machine):
    machine.run("mkdir", str(USERS_DIR))  # an empty folder of root's is handed over, and back
    before, files = names(machine), contents(machine)
    machine.run(
        "sh", "-c", "printf '#!/bin/sh\\necho no\\nexit 3\\n' >/usr/sbin/systemctl; chmod +x /usr/sbin/systemctl"
    )

    failed = machine.run(str(SCRIPT), "install", "--run-as", USER, "--enable", code=1)
    machine.run("rm", "/usr/sbin/systemctl")
    handed_over = owner_and_mode(machine, USERS_DIR)
    control(machine, "uninstall")

    assert "`systemctl daemon-reload` has failed (exit code 3: no)" in failed.stderr
    assert (handed_over, owner_and_mode(machine, USERS_DIR)) == (f"{USER}:{USER} 750", "root:root 755")
    assert (names(machine), contents(machine)) == (before, files)
