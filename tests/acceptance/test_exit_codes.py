"""Every exit code that the control program promises, each brought about for real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
from scratch_server import ROOT, SCRIPT
from waiting import eventually

from taskserver.store import Store


@pytest.fixture
def prepared(server):
    """An installation with a database and without a daemon."""
    server.users_dir.mkdir(mode=0o750)
    Store.create_or_upgrade(server.rows.url)
    return server


def test_0_when_all_is_well(server):
    for command in (["start"], ["start"], ["status"], ["reload"], ["wake"], ["check"], ["stop"], ["stop"]):
        server.control(*command, code=0)


def test_1_when_the_database_does_not_answer(server):
    server.configure(database="postgresql://nobody:secret@127.0.0.1:1/jobs")
    server.config_file.chmod(0o600)

    done = server.control("job", "list", code=1)

    assert "127.0.0.1" in done.stderr
    assert "secret" not in done.stderr


def test_1_from_status_when_the_daemon_died_and_left_its_pidfile(server):
    server.start()
    server.kill()

    assert "died" in server.control("status", code=1).stdout


@pytest.mark.parametrize("words", [["strat"], ["start", "--sideways"], [], ["job", "show", "first"]])
def test_2_for_words_that_make_no_command(server, words):
    done = server.control(*words, code=2)

    assert done.stderr.strip()


def test_3_from_status_when_nothing_runs(server):
    server.control("status", code=3)


def test_4_from_status_when_the_pidfile_cannot_be_read(server):
    server.users_dir.mkdir()
    (server.users_dir / "taskserver.pid").symlink_to("/etc/passwd")

    assert "taskserver.pid" in server.control("status", code=4).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused to be somebody else's daemon as nobody")
def test_4_for_somebody_who_may_not_become_the_daemons_user(server):
    server.configure(run_as="daemon", allow_root=None)
    server.folder.chmod(0o755)

    done = subprocess.run(
        [*NOBODY, "/usr/bin/python3", "-c", AS_NOBODY, str(server.config_file)],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if "site-packages" in path)])},
        capture_output=True,
        text=True,
        check=False,
    )

    if "ModuleNotFoundError" in done.stderr or "ImportError" in done.stderr:
        pytest.skip("the packages of this interpreter cannot be reached by another user")
    assert done.returncode == 4, done.stderr
    assert "daemon" in done.stderr


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
AS_NOBODY = """
import sys
from taskserver.cli import main
sys.exit(main(["-c", sys.argv[1], "start"]))
"""


def test_5_when_the_program_is_not_there(tmp_path):
    script = tmp_path / "scripts" / "task_server.py"
    script.parent.mkdir()
    shutil.copy(SCRIPT, script)
    codes = {"start": 5, "stop": 5, "status": 4, "try-restart": 5}

    found = {}
    for command in codes:
        done = subprocess.run(
            [str(script), command], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
        found[command] = done.returncode
        assert "quickstart" in done.stderr
        assert "Traceback" not in done.stderr

    assert found == codes


def test_6_without_a_configuration(server):
    server.config_file.unlink()

    done = server.control("start", code=6)

    assert str(server.config_file) in done.stderr


def test_6_as_root_without_leave_to_be_root(server):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    server.configure(allow_root=None)

    done = server.control("start", code=6)

    assert "run_as" in done.stderr
    assert "allow_root" in done.stderr


def test_6_for_a_user_who_does_not_exist(server):
    server.configure(run_as="no-such-user", allow_root=None)

    done = server.control("start", code=6)

    assert "no-such-user" in done.stderr


@pytest.mark.parametrize("command", ["reload", "force-reload", "wake"])
def test_7_where_a_running_daemon_is_needed(server, command):
    server.control(command, code=7)

    server.control("status", code=3)


def test_130_when_interrupted(prepared):
    job = prepared.insert("patient")
    waiting = prepared.spawn("job", "wait", str(job))
    eventually(waiting.stderr.readline)

    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=10)

    assert waiting.returncode == 130
    assert "Traceback" not in err


def test_150_to_152_tell_how_a_job_ended(server):
    server.start()

    server.control("job", "add", "quick", "--wait", code=0)
    server.control("job", "add", "fails", "--wait", code=150)
    job = server.add("patient")
    server.control("job", "wait", str(job), "--timeout", "0.3", code=151)
    server.control("job", "stop", str(job), code=0)
    server.control("job", "wait", str(job), code=152)
    server.control("job", "wait", str(server.insert("deaf", seconds="many")), code=150)


def test_153_for_what_does_not_exist(prepared):
    for words in (
        ["job", "show", "4711"],
        ["job", "wait", "4711"],
        ["job", "stop", "4711"],
        ["schedule", "show", "nightly"],
        ["history", "show", "4711"],
        ["client", "show", "nobody"],
        ["task", "show", "no.such.task"],
        ["job", "add", "no.such.task"],
        ["--run-job=4711", "start"],
    ):
        done = prepared.control(*words, code=153)
        assert done.stderr.strip()


def test_154_for_tables_of_another_version(prepared):
    for found, told, command in (
        ("0000", "db upgrade", ["start"]),
        ("0000", "db upgrade", ["check"]),
        ("9999", "newer", ["start"]),
        ("9999", "newer", ["job", "list"]),
    ):
        prepared.rows.execute("UPDATE taskserver_version SET version_num = ?", found)
        assert told in prepared.control(*command, code=154).stderr

    prepared.control("status", code=3)
