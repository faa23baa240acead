"""The commands of the control program, on real and broken daemons."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from real_daemon import ROOT, SCRIPT
from waiting import eventually

from taskserver.daemon.pidfile import State

LIGHT = """
import sys
from taskserver.cli import main
code = main(sys.argv[1:])
heavy = {"sqlalchemy", "pydantic", "rich", "alembic", "croniter", "daemon", "asyncio"} & set(sys.modules)
print(sorted(heavy), code)
"""


@pytest.mark.parametrize("command", ["status", "stop", "wake"])
def test_the_light_commands_import_nothing_heavy(daemon, command):
    daemon.start()

    done = subprocess.run(
        [sys.executable, "-c", LIGHT, "--users-dir", str(daemon.users_dir), command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[] 0"


def test_status_tells_what_the_daemon_does(daemon):
    daemon.start()

    done = daemon.control("status")

    assert done.returncode == 0
    assert done.stdout.startswith("the task server is running\n")
    for fact in (str(daemon.pid), "fake", "1 busy, 1 free", "3", "MB"):
        assert fact in done.stdout


def test_status_as_json_is_one_document(daemon):
    daemon.start()

    done = daemon.control("status", "--json")

    document = json.loads(done.stdout)
    assert document["pid"] == daemon.pid
    assert document["answering"] is True
    assert (document["busy"], document["free"], document["waiting"]) == (1, 1, 3)
    assert document["since"].endswith("Z")


def test_status_of_a_frozen_daemon_tells_what_the_pidfile_knows(daemon):
    daemon.start()
    os.kill(daemon.pid, signal.SIGSTOP)

    done = daemon.control("status")

    assert done.returncode == 0
    assert "not answering" in done.stdout
    assert str(daemon.pid) in done.stdout


def test_status_by_lsb(daemon):
    assert daemon.control("status").returncode == 3
    daemon.start()
    assert daemon.control("status").returncode == 0
    os.kill(daemon.pid, signal.SIGKILL)
    eventually(lambda: daemon.state is State.DEAD)
    assert daemon.control("status").returncode == 1
    (daemon.users_dir / "taskserver.pid").unlink()
    (daemon.users_dir / "taskserver.pid").symlink_to("/etc/passwd")
    unknown = daemon.control("status")
    assert unknown.returncode == 4
    assert "symbolic link" in unknown.stderr


def test_what_needs_a_running_daemon_says_that_there_is_none(daemon):
    for command, code in (("wake", 7), ("stop", 0), ("stop --now", 0)):
        done = daemon.control(*command.split())
        assert (command, done.returncode) == (command, code)
        assert "not running" in done.stderr


def test_stop_ends_it_and_says_so(daemon):
    daemon.start()
    pid = daemon.pid

    done = daemon.control("stop")

    assert done.returncode == 0
    assert f"(pid {pid}) has stopped" in done.stderr
    assert daemon.state is State.STOPPED


def test_wake_wakes_also_when_the_socket_is_gone(daemon):
    daemon.start()
    assert daemon.control("wake").returncode == 0
    eventually(lambda: "wake" in daemon.events())
    (daemon.folder / "events").unlink()
    (daemon.users_dir / "control.sock").unlink()

    assert daemon.control("wake").returncode == 0

    eventually(lambda: "wake" in daemon.events())


def control(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


BROKEN = "[task_server\n"


@pytest.mark.parametrize("contents", [BROKEN, "", "[task_server]\nno_such_key = 1\n", None])
def test_a_broken_configuration_stops_neither_status_nor_stop(tmp_path, contents):
    config = tmp_path / "x.toml"
    if contents is not None:
        config.write_text(contents)

    status = control("-c", str(config), "status", cwd="/")
    stop = control("-c", str(config), "stop", cwd="/")

    assert (status.returncode, stop.returncode) == (3, 0)
    assert "Traceback" not in status.stderr + stop.stderr
    if contents in (BROKEN, "", None):
        assert "default users directory" in status.stderr


@pytest.mark.parametrize("command", ["start", "restart", "run", "check"])
def test_a_broken_configuration_is_told_by_whoever_needs_it(tmp_path, command):
    config = tmp_path / "x.toml"
    config.write_text("[task_server]\nno_such_key = 1\nmax_parallel = 'many'\n")

    done = control("-c", str(config), command)

    assert done.returncode == 6
    assert "no_such_key" in done.stderr
    assert "max_parallel" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="shows what root is refused")
@pytest.mark.parametrize("command", ["start", "run", "check"])
def test_root_is_refused_with_an_explanation(tmp_path, command):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\n")

    done = control("-c", str(config), command)

    assert done.returncode == 6
    assert "--allow-root" in done.stderr
    assert not (tmp_path / "users").exists()


@pytest.mark.parametrize("command", ["start", "run", "check"])
def test_an_unknown_user_is_told(tmp_path, command):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\nrun_as = 'no-such-user-here'\n")

    done = control("-c", str(config), command)

    assert done.returncode == 6
    assert "no-such-user-here" in done.stderr


def test_reload_by_lsb(tmp_path):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\n")

    codes = {
        command: control("-c", str(config), command).returncode
        for command in ("reload", "force-reload", "try-restart", "stop", "status")
    }

    assert codes == {"reload": 7, "force-reload": 7, "try-restart": 0, "stop": 0, "status": 3}


def test_reload_tells_what_became_of_it(daemon, tmp_path):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{daemon.users_dir}'\n")
    daemon.start()

    done = control("-c", str(config), "reload")
    daemon.configure(mode="busy")
    changed = control("-c", str(config), "force-reload")
    (daemon.folder / "settings.json").write_text("{")
    refused = control("-c", str(config), "reload", "--json")

    assert (done.returncode, changed.returncode, refused.returncode) == (0, 0, 6)
    assert "read again" in done.stderr
    assert "mode" in changed.stderr
    assert json.loads(refused.stdout)["faults"] == ["settings.json: not JSON"]


def test_a_daemon_is_not_stopped_for_one_that_could_not_start(daemon, tmp_path):
    config = tmp_path / "x.toml"
    config.write_text(
        f"[task_server]\nusers_dir = '{daemon.users_dir}'\nallow_root = true\nmodules = ['missing_tasks']\n"
    )
    daemon.start()

    done = control("-c", str(config), "restart")

    assert done.returncode == 6
    assert "missing_tasks" in done.stderr
    assert daemon.state is State.RUNNING


def test_a_faulty_configuration_is_not_sent_to_the_daemon(daemon, tmp_path):
    config = tmp_path / "x.toml"
    config.write_text(f"[task_server]\nusers_dir = '{daemon.users_dir}'\nmax_parallel = 0\n")
    daemon.start()

    reload, restart = control("-c", str(config), "reload"), control("-c", str(config), "restart")

    assert (reload.returncode, restart.returncode) == (6, 6)
    assert daemon.state is State.RUNNING
    assert daemon.status()["reload"]["count"] == 0


def test_a_rotated_log_is_opened_anew_beside_a_faulty_configuration_and_in_silence(daemon, tmp_path):
    config = tmp_path / "x.toml"
    config.write_text("[task_server\n")
    daemon.start()

    done = control("-c", str(config), "--users-dir", str(daemon.users_dir), "reload", "--rotated")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert daemon.status()["reload"]["count"] == 1


def test_where_nothing_runs_no_log_is_open_and_that_is_no_error(tmp_path):
    done = control("--users-dir", str(tmp_path), "reload", "--rotated")

    assert (done.returncode, done.stderr) == (0, "")


def test_on_a_terminal_progress_is_one_line_that_changes(daemon):
    daemon.configure(mode="busy")
    daemon.start()
    screen, terminal = pty.openpty()

    done = subprocess.run(
        [str(SCRIPT), "--users-dir", str(daemon.users_dir), "stop", "--timeout", "1.2"],
        stderr=terminal,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    told = os.read(screen, 65536).decode()
    os.close(screen)

    assert done.returncode == 0
    assert "\r\x1b[K1 job still runs" in told
    assert "its time is up" in told


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "604801"])
def test_a_senseless_time_to_stop_is_refused_before_anything_is_signalled(daemon, seconds):
    daemon.start()

    refused = daemon.control("stop", "--timeout", seconds)

    assert refused.returncode == 2
    assert "is not from 0 to 604800 seconds" in refused.stderr
    assert daemon.events() == ["start"]
