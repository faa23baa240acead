"""The files in scripts/boot made to fit: odd paths, other users directories, long drains."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from taskserver.boot import adapting
from taskserver.boot.site import Site
from taskserver.boot.systems import SYSTEMS

BOOT = Path(__file__).parents[2] / "scripts" / "boot"
ODD = Path('/srv/it\'s 100% "odd" $HOME')

SITE = Site(
    name="task-server",
    installation=Path("/srv/erp/taskserver"),
    program=Path("/srv/erp/taskserver/scripts/task_server.py"),
    config=None,
    user="erp",
    group="erp-staff",
    users_dir=Path("/srv/erp/users"),
    log_file=Path("/srv/erp/users/taskserver.log"),
    drain=timedelta(seconds=30),
)
ODD_SITE = replace(
    SITE, installation=ODD, program=ODD / "task_server.py", config=ODD / "a b.toml", users_dir=ODD / "users"
)


def adapted(key: str, site: Site = SITE, index: int = 0) -> str:
    boot_file = SYSTEMS[key].files[index]
    return boot_file.adapt((BOOT / boot_file.source).read_text(), site)


def values(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.parametrize("key", SYSTEMS)
def test_no_line_speaks_of_the_sample_any_more(key):
    for index in range(len(SYSTEMS[key].files)):
        lines = [line for line in adapted(key, SITE, index).splitlines() if not line.startswith("#")]

        assert not any(adapting.SAMPLE_INSTALLATION in line for line in lines)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("site", [SITE, ODD_SITE], ids=["plain", "odd"])
def test_systemd_reads_the_unit_without_a_word(tmp_path, site):
    program = tmp_path / site.program.relative_to("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "task-server.service"
    unit.write_text(adapted("systemd", replace(site, program=program)))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_an_option_is_given_once_where_the_installation_stands_in_the_usual_place():
    site = replace(SITE, program=Path(adapting.SAMPLE_PROGRAM), config=Path("/etc/taskserver/erp.toml"))

    unit = adapted("systemd", site)

    assert values(unit, "ExecStart")[0].endswith("task_server.py -c /etc/taskserver/erp.toml run")
    assert unit.count("-c /etc/taskserver/erp.toml run") == 1
    assert "erp.toml -c" not in unit


def test_a_second_service_shares_neither_credentials_nor_folders_with_the_first():
    unit = adapted("systemd", replace(SITE, name="task-server-erp"))

    assert values(unit, "LoadCredential") == [
        "database_password:task-server-erp.database_password",
        "smtp_password:task-server-erp.smtp_password",
    ]
    assert values(unit, "RuntimeDirectory") == ["task-server-erp"]


def test_the_unit_runs_the_program_with_its_configuration_as_the_user():
    unit = adapted("systemd", ODD_SITE)

    odd = '/srv/it\'s 100%% \\"odd\\" $$HOME'
    assert values(unit, "ExecStart")[0].endswith(f'"{odd}/task_server.py" -c "{odd}/a b.toml" run')
    assert (values(unit, "User"), values(unit, "Group")) == (["erp"], ["erp-staff"])
    assert all(f'"{odd}/task_server.py" -c "{odd}/a b.toml"' in line for line in values(unit, "ExecReload"))


def test_the_unit_may_write_where_the_configuration_says():
    unit = adapted("systemd", replace(SITE, log_file=Path("/srv/logs/erp/task.log")))

    assert values(unit, "ReadWritePaths") == ["/srv/erp/users /srv/logs/erp"]
    assert values(unit, "StateDirectory") == []


def test_a_folder_of_any_name_is_open_for_writing():
    odd = Path('/srv/it\'s 100% "odd" $HOME')

    unit = adapted("systemd", replace(SITE, users_dir=odd, log_file=None))

    assert values(unit, "ReadWritePaths") == ['"/srv/it\'s 100%% \\"odd\\" $HOME"']


@pytest.mark.parametrize("name", ["a b", "it's", "a:b", "100%", 'a"b'])
def test_a_state_folder_of_an_odd_name_is_a_place_to_write_to(name):
    unit = adapted("systemd", replace(SITE, users_dir=Path("/var/lib") / name))

    assert values(unit, "StateDirectory") == []
    assert len(values(unit, "ReadWritePaths")) == 1


def test_the_unit_sees_homes_where_the_installation_is_in_one():
    home = replace(SITE, installation=Path("/home/erp/taskserver"), users_dir=Path("/home/erp/users"))
    strict = "[Unit]\n# Adapt\n[Service]\nExecStart=/opt/taskserver/scripts/task_server.py run\nUser=x\n"
    strict += "TimeoutStopSec=90\nProtectHome=yes\nPrivateTmp=yes\n"

    assert values(adapting.systemd(strict, home), "ProtectHome") == ["read-only"]
    assert values(adapting.systemd(strict, SITE), "ProtectHome") == ["yes"]


@pytest.mark.parametrize(
    ("users_dir", "state", "opened"),
    [("/var/lib/erp", ["erp"], []), ("/srv/erp/users", [], ["/srv/erp/users"])],
)
def test_a_state_folder_is_systemds_own_only_where_the_configuration_agrees(users_dir, state, opened):
    sample = (
        "# Adapt\n[Service]\nExecStart=/opt/taskserver/scripts/task_server.py run\nUser=x\nTimeoutStopSec=90\n"
    )
    sample += "StateDirectory=taskserver\nStateDirectoryMode=0750\nLogsDirectory=taskserver\n"
    place = Path(users_dir)

    unit = adapting.systemd(sample, replace(SITE, users_dir=place, log_file=place / "log"))

    assert (values(unit, "StateDirectory"), values(unit, "ReadWritePaths")) == (state, opened)
    assert values(unit, "LogsDirectory") == []


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("systemd", "TimeoutStopSec=3660"),
        ("upstart", "kill timeout 3660"),
        ("openrc", 'retry="TERM/3660/KILL/5"'),
    ],
)
def test_time_to_stop_is_longer_than_the_drain(key, line):
    assert line in adapted(key, replace(SITE, drain=timedelta(hours=1))).splitlines()


@pytest.mark.parametrize(
    ("key", "index", "names"),
    [("sysv", 1, ("DAEMON", "CONFIG")), ("openrc", 1, ("DAEMON", "CONFIG", "RUN_AS")), ("runit", 3, ("CONFIG",))],
)
def test_a_shell_reads_back_what_was_written(key, index, names):
    text = adapted(key, ODD_SITE, index)
    wanted = {"DAEMON": ODD_SITE.program, "CONFIG": ODD_SITE.config, "RUN_AS": "erp:erp-staff"}

    script = text + "".join(f'\nprintf "%s\\n" "${name}"' for name in names)
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [str(wanted[name]) for name in names]


def test_the_init_script_starts_the_program():
    assert f"DAEMON={shlex.quote(str(ODD_SITE.program))}" in adapted("sysv", ODD_SITE).splitlines()


@pytest.mark.parametrize("key", ["systemd", "sysv", "upstart", "openrc"])
def test_a_file_without_the_line_to_adapt_is_not_installed(key):
    with pytest.raises(adapting.BootFileStrange):
        SYSTEMS[key].files[0].adapt("# Adapt this\nUser=x\n", SITE)
