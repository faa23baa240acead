"""The files for every init system, checked by the tools of their systems or by their rules."""

from __future__ import annotations

import json
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"
SYSTEM_V = ROOT / "scripts" / "boot" / "system-v" / "task-server"
SYSTEMD = ROOT / "scripts" / "boot" / "systemd"
UPSTART = ROOT / "scripts" / "boot" / "upstart" / "task-server.conf"

BOOT = ROOT / "scripts" / "boot"
OPENRC = BOOT / "openrc" / "task-server"
RUNIT = BOOT / "runit"
PLIST = BOOT / "launchd" / "taskserver.plist"
CONTAINERFILE = BOOT / "container" / "Containerfile"
PLAIN_SHELL = [
    SYSTEM_V,
    SYSTEM_V.parent / "default",
    OPENRC,
    OPENRC.parent / "conf.d",
    *(RUNIT / name for name in ("conf", "run", "check", "finish", "log/run")),
]
ONLY_READ = {"default", "conf.d", "conf"}
"""Assignments that another script reads: who sets a variable there does not use it."""

UPSTART_STANZAS = {
    "apparmor",
    "author",
    "cgroup",
    "chdir",
    "chroot",
    "console",
    "description",
    "emits",
    "env",
    "exec",
    "expect",
    "export",
    "instance",
    "kill",
    "limit",
    "manual",
    "nice",
    "normal",
    "oom",
    "post-start",
    "post-stop",
    "pre-start",
    "pre-stop",
    "reload",
    "respawn",
    "script",
    "setgid",
    "setuid",
    "start",
    "stop",
    "task",
    "tmpfs",
    "umask",
    "usage",
    "version",
}


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


LAUNCHD_KEYS = {
    "ExitTimeOut",
    "KeepAlive",
    "Label",
    "ProgramArguments",
    "RunAtLoad",
    "StandardErrorPath",
    "ThrottleInterval",
    "Umask",
    "UserName",
}
"""Those of launchd.plist(5) that are used; a misspelt key would be ignored without a word."""


@pytest.fixture
def shell_header(tmp_path) -> Path:
    """The lines of the control script that a shell reads."""
    header = tmp_path / "header.sh"
    lines = SCRIPT.read_text().splitlines()
    header.write_text("\n".join(lines[: lines.index("'''")]).replace("''''true", "true") + "\n")
    return header


SANDBOXED = ["task-server.service", "task-server@.service"]


def installed(name: str, folder: Path) -> Path:
    """A unit under the name that it has where it is installed; the template as an instance of it."""
    unit = folder / name.replace("@.", "@erp.").replace("-forking", "")
    unit.write_text((SYSTEMD / name).read_text())
    return unit


@pytest.mark.parametrize("installation", ["/opt/taskserver", str(ROOT)])
@pytest.mark.parametrize("name", [*SANDBOXED, "task-server-forking.service"])
def test_systemd_has_nothing_to_say(tmp_path, name, installation):
    unit = installed(name, tmp_path)
    unit.write_text(unit.read_text().replace("/opt/taskserver", installation))

    done = subprocess.run(
        [tool("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SANDBOXED)
def test_systemd_finds_little_that_a_service_could_do_to_the_machine(tmp_path, name):
    unit = installed(name, tmp_path)

    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_systemd_runs_the_server_in_the_foreground_and_waits_for_it():
    for name, options in (("task-server.service", ""), ("task-server@.service", "-c /etc/taskserver/%i.toml ")):
        unit = (SYSTEMD / name).read_text()

        assert "Type=notify\n" in unit
        assert f"\nExecStart=/usr/bin/env /opt/taskserver/scripts/task_server.py {options}run\n" in unit


def test_the_template_promises_the_same_as_the_unit():
    settings = [
        [line for line in (SYSTEMD / name).read_text().splitlines() if re.match(r"[A-Z]\w+=", line)]
        for name in ("task-server.service", "task-server@.service")
    ]

    plain = [re.sub(r"-c /etc/taskserver/%i\.toml |/%i|-%i| %i", "", line) for line in settings[1]]

    assert [line for line in settings[0] if line not in plain] == ["ReadWritePaths=-/opt/taskserver/users"]
    assert [line for line in plain if line not in settings[0]] == []


@pytest.mark.parametrize(
    "command", [["dash", "-n"], ["shellcheck", "-s", "sh"], ["checkbashisms", "--force", "--posix"]]
)
def test_the_shell_scripts_are_plain_posix(command, shell_header, tmp_path):
    for number, original in enumerate((*PLAIN_SHELL, shell_header)):
        script = original
        if not script.read_text().startswith("#!"):  # read by another script, or by a program that is no shell
            script = tmp_path / f"{number}-{original.name}"
            script.write_text("#!/bin/sh\n" + original.read_text())
        done = subprocess.run(
            [tool(command[0]), *command[1:], *_not_used_here(command[0], original), str(script)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _not_used_here(checker: str, script: Path) -> list[str]:
    return ["--exclude=SC2034"] if checker == "shellcheck" and script.name in ONLY_READ else []


def test_every_file_of_a_boot_folder_is_checked_somewhere():
    shell = {
        file for file in BOOT.rglob("*") if file.is_file() and file.suffix not in (".service", ".plist", ".conf")
    }

    assert shell - {CONTAINERFILE} == set(PLAIN_SHELL)


def test_dash_reads_the_whole_control_script_as_far_as_it_should():
    done = subprocess.run([tool("dash"), str(SCRIPT), "version"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", [SCRIPT, SYSTEM_V])
def test_the_lsb_header_is_complete(script):
    lines = script.read_text().splitlines()
    header = lines[lines.index("### BEGIN INIT INFO") + 1 : lines.index("### END INIT INFO")]
    keywords = {line.partition(":")[0].removeprefix("# ") for line in header if ":" in line}

    assert keywords >= {
        "Provides",
        "Required-Start",
        "Required-Stop",
        "Default-Start",
        "Default-Stop",
        "Short-Description",
        "Description",
    }
    assert script.stat().st_mode & 0o111 == 0o111
    assert lines[1] == "# chkconfig: 2345 98 02"
    assert lines[2].startswith("# description: ")


def test_upstart_knows_every_stanza_and_one_of_them_executes():
    lines = [line.strip() for line in UPSTART.read_text().splitlines()]
    stanzas = [line.split()[0] for line in lines if line and not line.startswith("#")]

    assert set(stanzas) <= UPSTART_STANZAS
    assert stanzas.count("exec") + stanzas.count("script") == 1
    assert stanzas.count("expect") == 1
    assert "expect stop" in lines
    assert any(line.startswith("exec ") and line.endswith("task_server.py run --expect-stop") for line in lines)


def test_the_brackets_of_upstart_are_balanced():
    text = re.sub(r"^#.*$", "", UPSTART.read_text(), flags=re.MULTILINE)

    assert text.count("(") == text.count(")")
    assert text.count("[") == text.count("]")
    assert text.count('"') % 2 == 0


def test_time_to_stop_is_longer_than_the_default_drain():
    """The manager must not kill what still drains: 30 s and the grace that `stop` gives."""
    for unit in SYSTEMD.iterdir():
        assert int(re.search(r"TimeoutStopSec=(\d+)", unit.read_text())[1]) >= 60
    assert int(re.search(r"kill timeout (\d+)", UPSTART.read_text())[1]) >= 60
    assert int(re.search(r'^retry="TERM/(\d+)', OPENRC.read_text(), re.MULTILINE)[1]) >= 60
    assert plistlib.loads(PLIST.read_bytes())["ExitTimeOut"] >= 60
    assert int(re.search(r"--stop-timeout (\d+)", CONTAINERFILE.read_text())[1]) >= 60


def test_scripts_that_a_supervisor_starts_can_be_executed():
    for script in (OPENRC, *(RUNIT / name for name in ("run", "check", "finish", "log/run"))):
        assert script.stat().st_mode & 0o111 == 0o111, script


def test_the_same_exit_codes_are_final_for_every_supervisor():
    """Usage, not allowed, not installed, not configured, needs `db upgrade`: nothing that a restart would mend."""
    final = {"2", "4", "5", "6", "154"}

    unit = (SYSTEMD / "task-server.service").read_text()
    systemd = set(re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)[1].split())
    upstart = set(re.search(r"^normal exit (.*)$", UPSTART.read_text(), re.MULTILINE)[1].split())
    runit = set(re.search(r"^ +([0-9 |]+)\)$", (RUNIT / "finish").read_text(), re.MULTILINE)[1].split(" | "))

    assert final <= systemd
    assert final <= upstart
    assert final <= runit


def test_launchd_is_told_to_run_the_server_in_the_foreground():
    job = plistlib.loads(PLIST.read_bytes())

    assert job["ProgramArguments"] == ["/opt/taskserver/scripts/task_server.py", "run"]
    assert job["Umask"] == 0o027
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["RunAtLoad"] is True
    assert set(job) <= LAUNCHD_KEYS


def test_the_container_runs_the_server_as_a_user_of_its_own():
    steps = [line.split(None, 1) for line in CONTAINERFILE.read_text().splitlines() if line and line[0].isupper()]
    told = dict(steps)

    assert json.loads(told["ENTRYPOINT"]) == ["/opt/taskserver/scripts/task_server.py"]
    assert json.loads(told["CMD"])[-1] == "run"
    assert told["USER"] == "taskserver"
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(told["HEALTHCHECK"].partition("CMD ")[2])[-1] == "status"
