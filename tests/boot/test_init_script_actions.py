"""The table that the LSB has for init scripts, in runlevel 2 of a booted System V init, by every way to call."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import debian_packages
import pytest
from guest_server import CONFIG, SYSTEM_V, USER, USERS_DIR, GuestServer
from installation import PLACE, SCRIPT
from machine import Machine
from sysvinit_guest import PACKAGES, SYSVINIT, enable

NAME = "task-server"
WAYS = {
    "copy": ("env", "-i", f"/etc/init.d/{NAME}"),
    "link": ("env", "-i", "/etc/init.d/linked"),
    "service": ("service", NAME),
    "invoke-rc.d": ("invoke-rc.d", "linked"),
}
"""Only one of the two can be switched on: both provide the same service."""


class Actions(GuestServer):
    """The actions of the init script in a booted guest; `way` is the present way to call it."""

    way = "copy"

    def __call__(self, *arguments: str, **options: Any) -> int:
        """The exit code of one action."""
        done = self.machine.run(*WAYS[self.way], *arguments, code=None, **options)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    def codes(self, *actions: str) -> list[int]:
        return [self(action) for action in actions]


@pytest.fixture(scope="module")
def booted(installation_layer) -> Iterator[Actions]:
    debian_packages.require(PACKAGES)
    with Machine(SYSVINIT, layers=[installation_layer]) as machine:
        server = Actions(machine, run_as=USER)
        (machine.root / "etc/init.d/linked").symlink_to(SCRIPT)
        assert enable(machine, "linked") == ""
        server.write(f"/etc/init.d/{NAME}", SYSTEM_V.read_text(), 0o755)
        machine.boot()
        yield server


@pytest.fixture
def actions(booted) -> Actions:
    """Nothing runs, the configuration is in order."""
    booted.way = "copy"
    booted.configure(run_as=USER)
    if (booted.users_dir / "taskserver.pid").exists():  # of a daemon that runs, or that is dead
        booted.control("stop", "--now")
    return booted


def test_the_link_to_the_control_program_comes_up_at_boot(booted):
    assert booted.is_ready()
    assert booted.daemons() == [booted.pid]


@pytest.mark.parametrize("way", WAYS)
def test_the_table_while_nothing_runs(actions, way):
    actions.way = way

    codes = actions.codes("status", "stop", "try-restart", "reload", "force-reload", "status")

    assert codes == [3, 0, 0, 7, 7, 3]
    assert actions.daemons() == []


@pytest.mark.parametrize("way", ["copy", "link", "service"])
def test_wrong_and_unimplemented_arguments(actions, way):
    actions.way = way

    assert [actions(), actions("strat"), actions("start", "--sideways"), actions("force-stop")] == [2, 2, 2, 3]


def test_the_table_while_it_runs(actions):
    """Each way of calling sees and changes what another has started."""
    assert actions("start") == 0
    first = actions.pid
    for way in WAYS:
        actions.way = way
        assert actions.codes("status", "start", "reload", "force-reload") == [0, 0, 0, 0]
    assert actions.pid == first

    actions.way = "service"
    assert actions("try-restart") == 0
    second = actions.pid
    actions.way = "invoke-rc.d"
    assert actions.codes("restart", "status") == [0, 0]
    third = actions.pid
    actions.way = "link"
    assert actions.codes("stop", "status", "restart") == [0, 3, 0]

    assert len({first, second, third, actions.pid}) == 4
    assert actions.daemons() == [actions.pid]


def test_a_pidfile_that_a_dead_daemon_has_left(actions):
    actions("start")
    actions.kill()

    assert actions.codes("status", "try-restart", "status", "start", "status") == [1, 0, 1, 0, 0]
    actions.kill()
    assert actions.codes("status", "stop", "status") == [1, 0, 3]


def test_a_pidfile_that_names_an_unrelated_process(actions):
    stranger = int(actions.machine.output("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"))
    write = (
        "setpriv",
        "--reuid",
        USER,
        "--clear-groups",
        "sh",
        "-c",
        f"echo {stranger} >{USERS_DIR}/taskserver.pid",
    )
    actions.machine.run(*write)

    codes = actions.codes("status", "stop", "status")
    actions.machine.run(*write)
    codes += actions.codes("start", "stop")

    assert codes == [1, 0, 3, 0, 0]
    actions.machine.run("kill", str(stranger))


def test_who_is_neither_root_nor_the_daemons_user_may_not_start_it(actions):
    done = actions.machine.run(
        *("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"),
        *(f"/etc/init.d/{NAME}", "start"),
        code=None,
    )

    assert done.returncode == 4
    assert actions("status") == 3


def test_without_the_program(actions):
    place = actions.machine.root / str(PLACE).lstrip("/")
    away = place.with_name("away")

    place.rename(away)
    try:
        codes = {action: actions(action) for action in ("start", "restart", "stop", "try-restart", "status")}
    finally:
        away.rename(place)

    assert codes == {"start": 5, "restart": 5, "stop": 5, "try-restart": 5, "status": 4}


def test_without_a_configuration_and_with_a_broken_one(actions):
    actions.write(CONFIG, "[task_server]\nmax_parallel = 'many'\n")
    broken = actions.codes("start", "restart", "stop")
    (actions.machine.root / CONFIG.lstrip("/")).unlink()

    assert broken == [6, 6, 0]
    assert actions.codes("start", "restart", "stop") == [6, 6, 0]


def test_it_is_called_without_an_environment_from_a_folder_that_is_gone(actions):
    gone = "mkdir /tmp/gone && cd /tmp/gone && rmdir /tmp/gone"

    done = actions.machine.run(
        "sh", "-c", f"{gone} && env -i /etc/init.d/{NAME} start && env -i /etc/init.d/linked status"
    )

    assert "is running" in done.stdout


def test_six_starts_at_once_make_one_process(actions):
    callers = [
        subprocess.Popen(actions.machine.command(*WAYS[way], "start"), stderr=subprocess.PIPE, text=True)
        for way in [*WAYS, "copy", "link"]
    ]

    said = [caller.communicate(timeout=120)[1] for caller in callers]

    assert [caller.returncode for caller in callers] == [0] * 6, said
    assert actions.daemons() == [actions.pid]
