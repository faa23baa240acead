"""The table that the LSB has for init scripts, through a link in an init.d, with an empty environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from scratch_server import ROOT, SCRIPT, is_alive
from waiting import eventually

PATHS = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"}


class Service:
    """What `service NAME COMMAND` does: the link, called by its name from /, without an environment."""

    def __init__(self, server):
        self.server = server
        self.link = server.folder / "init.d" / "task-server"
        self.link.parent.mkdir()
        self.link.symlink_to(_script(server))

    def __call__(self, *arguments, folder="/", environment=None):
        variables = [f"{key}={value}" for key, value in (environment or {}).items()]
        done = subprocess.run(
            ["env", "-i", *variables, str(self.link), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    @property
    def pid(self):
        return self.server.pid


def _script(server):
    """A second installation with a copy of the code, whose etc/taskserver.toml is the scratch configuration."""
    home = server.folder / "installation"
    for name in ("scripts", "etc"):
        (home / name).mkdir(parents=True)
    shutil.copytree(ROOT / "taskserver", home / "taskserver")
    shutil.copy(ROOT / "setup.cfg", home)
    (home / "etc" / "taskserver.toml").symlink_to(server.config_file)
    script = home / "scripts" / "task_server.py"
    script.write_bytes(SCRIPT.read_bytes())
    script.chmod(0o755)
    environment = Path(os.environ.get("VIRTUAL_ENV") or ROOT / ".venv")
    if not (environment / "bin" / "python").exists():
        pytest.skip("there is no .venv that an init script could use")
    (home / ".venv").symlink_to(environment)
    return script


@pytest.fixture
def service(server):
    return Service(server)


def test_the_table_for_a_daemon_that_is_started_and_stopped(service):
    assert service("status") == 3
    assert service("stop") == 0
    assert service("try-restart") == 0
    assert service("reload") == 7
    assert service("force-reload") == 7
    assert service("status") == 3, "none of these may start it"

    assert service("start") == 0
    pid = service.pid
    assert service("status") == 0
    assert service("start") == 0
    assert service.pid == pid
    assert service("reload") == 0
    assert service("force-reload") == 0
    assert service.pid == pid

    assert service("try-restart") == 0
    second = service.pid
    assert service("restart") == 0
    assert len({pid, second, service.pid}) == 3
    assert service("stop") == 0
    assert service("status") == 3
    assert service("restart") == 0
    assert service("status") == 0


def test_a_pidfile_that_a_dead_daemon_left_behind_is_no_obstacle(service):
    service("start")
    service.server.kill()

    assert service("status") == 1
    assert service("try-restart") == 0
    assert service("status") == 1
    assert service("start") == 0
    assert service("status") == 0
    service.server.kill()
    assert service("stop") == 0
    assert service("status") == 3


def test_an_unrelated_process_named_by_the_pidfile_is_left_alone(service, request):
    stranger = subprocess.Popen(["sleep", "60"])
    request.addfinalizer(lambda: (stranger.kill(), stranger.wait()))
    service.server.users_dir.mkdir(mode=0o750)
    pidfile = service.server.users_dir / "taskserver.pid"
    pidfile.write_text(f"{stranger.pid}\n")

    codes = [service("status"), service("stop")]
    pidfile.write_text(f"{stranger.pid}\n")
    codes += [service("start"), service("stop")]

    assert codes == [1, 0, 0, 0]
    assert stranger.poll() is None


def test_wrong_words_and_a_broken_configuration(service):
    assert service() == 2
    assert service("strat") == 2
    assert service("start", "--sideways") == 2
    service.server.config_file.write_text("[task_server]\nmax_parallel = 'many'\n")

    assert service("start") == 6
    assert service("restart") == 6
    assert service("status") in {3, 4}
    assert service("stop") == 0


def test_a_restart_with_a_broken_configuration_leaves_the_daemon_alone(service):
    service("start")
    pid = service.pid
    service.server.configure(max_parallel="many")

    assert [service(command) for command in ("restart", "try-restart", "reload", "force-reload")] == [6] * 4
    assert is_alive(pid)
    assert service("status") == 0
    assert service("stop") == 0
    assert not is_alive(pid)


def test_it_works_from_any_folder_and_with_any_path(service, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()

    assert service("start", folder=tmp_path, environment=PATHS) == 0
    assert service("status", folder=gone) == 0
    assert service("status", folder="/proc", environment={**PATHS, "LC_ALL": "de_DE.UTF-8"}) == 0
    assert service("stop", folder="/tmp") == 0
    eventually(lambda: not service.server.processes())
