"""The scripts as init calls them: by a link, without an environment, from any directory, with LSB's exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"
SYSTEM_V = ROOT / "scripts" / "boot" / "system-v" / "task-server"
BOOT_PATH = "/sbin:/usr/sbin:/bin:/usr/bin"


def call(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": BOOT_PATH, **environment},
        cwd="/",
        timeout=60,
        check=False,
    )


@pytest.fixture
def config(tmp_path) -> Path:
    config = tmp_path / "etc" / "taskserver.toml"
    config.parent.mkdir()
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\n")
    return config


@pytest.fixture(params=["link", "chain", "adapted"])
def init_script(request, tmp_path) -> Path:
    """The control script behind one link and behind a chain of three, and the script for /etc/init.d."""
    folder = tmp_path / "init.d"
    folder.mkdir()
    script = folder / "task_server"
    if request.param == "link":
        script.symlink_to(SCRIPT)
    elif request.param == "chain":
        (tmp_path / "installed here").symlink_to(ROOT / "scripts")
        (folder / "second").symlink_to("../installed here/task_server.py")
        script.symlink_to("second")
    else:
        script.write_text(SYSTEM_V.read_text().replace("/opt/taskserver", str(ROOT)))
        script.chmod(0o755)
    return script


def test_the_lsb_table_while_nothing_runs(init_script, config):
    environment = {"TASKSERVER_CONFIG": str(config)}

    codes = {
        action: call(init_script, action, **environment).returncode
        for action in ("status", "stop", "try-restart", "reload", "force-reload", "frobnicate")
    }

    assert codes == {"status": 3, "stop": 0, "try-restart": 0, "reload": 7, "force-reload": 7, "frobnicate": 2}
    assert call(init_script, **environment).returncode == 2


@pytest.mark.parametrize("arguments", [(), ("bogus",)])
def test_wrong_usage_is_answered_with_the_one_line_of_an_init_script(init_script, config, arguments):
    done = call(init_script, *arguments, TASKSERVER_CONFIG=str(config))

    assert done.returncode == 2
    assert done.stderr == (
        f"Usage: {init_script.name} {{start|stop|restart|try-restart|reload|force-reload|status}}\n"
    )


@pytest.mark.parametrize("action", ["force-stop", "condrestart", "condstop", "condreload", "rotate", "probe"])
def test_an_action_that_others_have_is_unimplemented(init_script, config, action):
    done = call(init_script, action, TASKSERVER_CONFIG=str(config))

    assert done.returncode == 3
    assert f"{action} is not implemented" in done.stderr


def test_not_configured_is_six(init_script, tmp_path):
    done = call(init_script, "start", TASKSERVER_CONFIG=str(tmp_path / "missing.toml"))

    assert done.returncode == 6
    assert "missing.toml" in done.stderr


def test_a_stale_pidfile_is_one_and_stop_clears_it(init_script, config, tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "taskserver.pid").write_text("4711\n")
    environment = {"TASKSERVER_CONFIG": str(config)}

    codes = [call(init_script, action, **environment).returncode for action in ("status", "stop", "status")]

    assert codes == [1, 0, 3]


def test_a_really_empty_environment_suffices(init_script, config):
    done = subprocess.run(
        ["/usr/bin/env", "-i", str(init_script), "status"], capture_output=True, text=True, cwd="/", check=False
    )

    assert done.returncode in (0, 3), done.stderr


class Copy:
    """The script for /etc/init.d with a file of defaults of its own."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "task-server"
        self.defaults = folder / "default"
        text = SYSTEM_V.read_text().replace("/etc/default/task-server", str(self.defaults))
        self.script.write_text(text.replace("/opt/taskserver", str(folder / "nowhere")))
        self.script.chmod(0o755)

    def __call__(self, action: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.script), action],
            check=False,
            **{"capture_output": True, "text": True, "env": {}, "cwd": "/", **options},
        )


@pytest.fixture
def copy(tmp_path) -> Copy:
    return Copy(tmp_path)


def test_the_defaults_name_program_configuration_and_options(copy, tmp_path):
    program = tmp_path / "a program"
    program.write_text('#!/bin/sh\nprintf "%s|" "$LANGUAGE" "$@"\n')
    program.chmod(0o755)
    copy.defaults.write_text(
        f"DAEMON='{program}'\nCONFIG='/etc/one two.toml'\nDAEMON_OPTS='--lang de'\nexport LANGUAGE=de\n"
    )

    done = copy("start", env={"CONFIG": "/tmp/of-the-caller", "DAEMON_OPTS": "--json"})

    assert (done.returncode, done.stdout) == (0, "de|-c|/etc/one two.toml|--lang|de|start|")


def test_the_sample_of_the_defaults_says_nothing_until_it_is_edited(copy, tmp_path):
    sample = (SYSTEM_V.parent / "default").read_text()
    edited = sample.replace("# DAEMON=/opt/taskserver", f"DAEMON={ROOT}")
    edited = edited.replace("# CONFIG=/etc/taskserver.toml", f"CONFIG={tmp_path}/missing.toml")

    copy.defaults.write_text(sample)
    assert copy("start").returncode == 5
    copy.defaults.write_text(edited)
    done = copy("start")

    assert done.returncode == 6
    assert "missing.toml" in done.stderr


@pytest.mark.parametrize(("action", "code"), [("start", 6), ("stop", 6), ("status", 4)])
def test_defaults_that_no_shell_reads_are_named(copy, action, code):
    copy.defaults.write_text("DAEMON=('x'\n")

    done = copy(action)

    assert done.returncode == code
    assert f"{copy.defaults} is no shell script" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
def test_defaults_that_are_not_for_this_user_are_not_passed_over(open_to_all):
    copy = Copy(open_to_all)
    copy.defaults.write_text("DAEMON=/bin/true\n")
    copy.defaults.chmod(0o600)

    done = copy("start", user="nobody", extra_groups=[])

    assert done.returncode == 4
    assert str(copy.defaults) in done.stderr


ACTIONS = {"start": 5, "restart": 5, "reload": 5, "force-reload": 5, "stop": 5, "try-restart": 5, "status": 4}
STOPPING = ("stop", "restart", "try-restart")


@pytest.mark.parametrize("action", ACTIONS)
def test_without_the_program_lsb_has_codes_too(tmp_path, action):
    script = tmp_path / "task-server"
    script.write_text(SYSTEM_V.read_text().replace("/opt/taskserver", str(tmp_path)))
    script.chmod(0o755)

    done = call(script, action)

    assert done.returncode == ACTIONS[action]
    assert "DAEMON=" in done.stderr
    assert ("was not stopped" in done.stderr) == (action in STOPPING)


@pytest.fixture
def bare_copy(tmp_path) -> Path:
    """The control script alone: neither a virtual environment nor the package beside it."""
    (tmp_path / "scripts").mkdir()
    return Path(shutil.copy(SCRIPT, tmp_path / "scripts"))


@pytest.mark.parametrize("action", ACTIONS)
def test_without_the_package_it_is_not_installed(bare_copy, action):
    done = call(bare_copy, "-c", "status", action)

    assert done.returncode == ACTIONS[action]
    assert "quickstart" in done.stderr
    assert ("was not stopped" in done.stderr) == (action in STOPPING)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_python_it_is_not_installed(bare_copy, tmp_path, action):
    done = call(bare_copy, action, PATH=str(_tools_only(tmp_path)))

    assert done.returncode == ACTIONS[action]
    assert "3.11" in done.stderr
    assert ("was not stopped" in done.stderr) == (action in STOPPING)


def test_a_python_that_is_too_old_is_passed_over(bare_copy, tmp_path):
    tools = _tools_only(tmp_path)
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)

    done = call(bare_copy, "start", PATH=str(tools))

    assert done.returncode == 5
    assert "3.11 or newer is needed" in done.stderr


def test_a_virtual_environment_whose_python_is_gone_is_not_installed(bare_copy, tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nowhere/at/all/python")

    done = call(bare_copy, "start", PATH=str(_tools_only(tmp_path)))

    assert done.returncode == 5
    assert "quickstart" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
def test_a_virtual_environment_out_of_reach_is_not_allowed(open_to_all, tmp_path):
    closed = open_to_all / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to("/usr/bin/python3")
    (open_to_all / ".venv" / "bin").mkdir(parents=True)
    (open_to_all / ".venv" / "bin" / "python").symlink_to(closed / "python")
    (open_to_all / "scripts").mkdir()
    script = Path(shutil.copy(SCRIPT, open_to_all / "scripts"))

    done = subprocess.run(
        [str(script), "start"],
        capture_output=True,
        text=True,
        cwd="/",
        user="nobody",
        extra_groups=[],
        check=False,
    )

    assert done.returncode == 4
    assert str(closed) in done.stderr


@pytest.fixture
def open_to_all():
    """A folder that every user can pass; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="taskserver-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _tools_only(folder: Path) -> Path:
    """A folder for PATH with what the script needs to find itself, and no Python."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("readlink", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    return tools
