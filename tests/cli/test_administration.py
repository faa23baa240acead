"""`history`, `client`, `task`, `autostart`, `db` and `config`, on a real SQLite file."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskserver
from taskserver.jobs import Outcome


def test_history_lists_runs_and_filters_them(task_server, node):
    for outcome in (Outcome.finished("twelve"), Outcome.failed("no paper")):
        task_server.ok("job", "add", "sample")
        node.run(outcome)

    def jobs(*filters: object) -> list[int]:
        return [run["job_id"] for run in task_server.ok("history", "list", *filters, "--json").json]

    assert jobs() == [2, 1]
    assert jobs("--status", "failed") == [2]
    assert jobs("--result", "TWELVE") == [1]
    assert jobs("--error", "paper") == [2]
    assert jobs("--node", "elsewhere") == []
    assert jobs("--job", 1) == [1]
    assert jobs("--task", "sample", "--client", "default", "--limit", 1) == [2]
    assert jobs("--from", "-1h", "--to", "+1h") == [2, 1]
    assert jobs("--to", "2026-01-01") == []


def test_history_shows_a_run_with_its_traceback(task_server, node):
    task_server.ok("job", "add", "sample")
    claim = node.run(Outcome.failed("no paper", traceback="Traceback: here"))

    shown = task_server.ok("history", "show", claim.run_id).out
    as_json = task_server.ok("history", "show", claim.run_id, "--json").json

    assert "Traceback: here" in shown
    assert (as_json["error"], as_json["output"]) == ("no paper", [])
    assert "no paper" in task_server.ok("history", "list").out


def test_a_run_that_is_not_there_exits_with_153(task_server):
    assert task_server("history", "show", 7).code == 153


def test_client_list_says_who_has_no_login_and_how_many_jobs_wait(task_server):
    added = task_server.ok("client", "add", "acme")
    task_server.ok("job", "add", "sample", "--client", "acme")

    assert "none of its jobs runs" in added.err
    assert "no login: 1 job waits for it" in task_server.ok("client", "list").out
    assert [row["waiting"] for row in task_server.ok("client", "list", "--json").json] == [1, 0]


def test_a_client_gets_and_loses_its_login(task_server):
    task_server.ok("client", "add", "acme")

    given = task_server.ok("client", "set-login", "acme", "batch", "--json").json["login"]
    taken = task_server.ok("client", "set-login", "acme", "--none", "--json").json["login"]

    assert (given, taken) == ("batch", None)
    assert task_server("client", "set-login", "acme").code == 2


def test_a_client_is_changed_shown_and_deleted(task_server):
    task_server.ok("client", "add", "acme", "--login", "a", "--title", "A", "--max-parallel", 2)

    task_server.ok("client", "edit", "acme", "--rename", "apex", "--max-parallel", 0)
    shown = task_server.ok("client", "show", "apex", "--json").json
    task_server.ok("client", "delete", "apex")

    assert (shown["title"], shown["login"], shown["max_parallel"]) == ("A", "a", None)
    assert task_server("client", "show", "apex").code == 153
    assert task_server("client", "edit", "default").code == 2


def test_a_client_with_jobs_is_not_deleted(task_server):
    task_server.ok("client", "add", "acme", "--login", "a")
    task_server.ok("job", "add", "sample", "--client", "acme")

    assert task_server("client", "delete", "acme").code == 1
    assert task_server("client", "add", "acme").code == 1


def test_tasks_are_listed_with_their_arguments_also_before_a_daemon_ran(task_server):
    assert "[seconds]" in task_server.ok("task", "list").out

    shown = task_server.ok("task", "show", "sample")
    assert shown.out.splitlines()[-1].split() == ["seconds", "number", "10"]
    assert (
        task_server.ok("task", "show", "sample", "--json").json["schema"]["properties"]["seconds"]["type"]
        == "number"
    )


def test_an_unknown_task_exits_with_153(task_server):
    assert task_server("task", "show", "smple").code == 153


def test_autostart_is_stored(task_server):
    task_server.ok("job", "add", "sample")

    assert task_server.ok("autostart").out == "auto-start is on\n"
    assert "1 job waits" in task_server.ok("autostart", "off").out
    assert task_server.ok("autostart", "show", "--json").json == {"autostart": False, "waiting": 1}
    assert task_server.ok("autostart", "on", "--json").json["autostart"] is True
    assert task_server("autostart", "maybe").code == 2


def test_db_upgrade_makes_the_database_and_does_nothing_the_second_time(empty_installation):
    before = empty_installation("db", "status")
    made = empty_installation.ok("db", "upgrade")
    again = empty_installation.ok("db", "upgrade", "--json")

    assert before.code == 154
    assert made.out == "the database is created\n"
    assert (again.json["before"], again.json["state"]) == ("current", "current")
    assert empty_installation.ok("db", "status", "--json").json["state"] == "current"


@pytest.mark.parametrize(("version", "state"), [("0000", "older"), ("9999", "newer")])
def test_another_schema_exits_with_154(task_server, version, state):
    with sqlite3.connect(task_server.database) as connection:
        connection.execute("UPDATE taskserver_version SET version_num = ?", [version])
    connection.close()

    assert task_server("job", "list").code == 154
    status = task_server("db", "status", "--json")
    assert (status.code, status.json["state"]) == (154, state)


def test_config_show_is_toml_with_every_default(task_server):
    shown = tomllib.loads(task_server.ok("config", "show").out)
    as_json = task_server.ok("config", "show", "--json").json

    assert shown["task_server"]["time_zone"] == "Europe/Berlin"
    assert as_json["task_server"]["poll_interval"] == shown["task_server"]["poll_interval"]
    assert f"# {task_server.config}:2" in task_server.ok("config", "show", "--origin").out
    assert task_server.ok("config", "show", "--origin", "--json").json["origins"]


def test_config_convert_turns_ini_into_toml(program, tmp_path):
    file = tmp_path / "kivitendo.conf"
    file.write_text("[task_server]\ndebug = 1\nnode_id = erp\n\n[other]\nx = %d\n")

    result = program("config", "convert", str(file))

    assert result.code == 0
    assert tomllib.loads(result.out)["task_server"] == {"debug": True, "node_id": "erp"}


def test_config_schema_and_path(program, task_server):
    assert "task_server" in json.loads(program("config", "schema").out)["properties"]
    assert task_server.ok("config", "path").out == f"{task_server.config}\n"


def test_every_fault_of_a_configuration_is_told_at_once(task_server):
    task_server.config.write_text("[task_server]\nmax_parallel = 0\nuserdir = 1\n")

    result = task_server("config", "show")

    assert result.code == 6
    assert "max_parallel" in result.err
    assert "userdir" in result.err


def test_users_dir_moves_what_the_configuration_does_not_place(empty_installation, tmp_path):
    other = tmp_path / "other"
    other.mkdir()

    empty_installation.ok("--users-dir", other, "db", "upgrade")

    assert (other / "taskserver.sqlite").exists()
    assert not empty_installation.database.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _reachable_interpreter(user: str) -> str | None:
    """A Python of this version that `user` can run: the one in use, or the system's."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for interpreter in (sys.executable, f"/usr/bin/{version}"):
        command = [interpreter, "-c", "import os, taskserver"]
        environment = {**os.environ, "PYTHONPATH": _readable_path()}
        try:
            done = subprocess.run(command, user=user, cwd="/", env=environment, capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return interpreter
    return None


def _readable_path() -> str:
    """The checkout and the packages beside it, without the standard library of a Python in somebody's home."""
    return os.pathsep.join([str(Path(taskserver.__file__).parent.parent), sysconfig.get_path("purelib")])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_run_as_before_the_database_is_opened(open_folder):
    interpreter = _reachable_interpreter("nobody")
    if interpreter is None:
        pytest.skip("the user nobody can't reach this checkout or an interpreter")
    config = open_folder / "taskserver.toml"
    config.write_text(f'[task_server]\nrun_as = "nobody"\nusers_dir = "{open_folder}/users"\n')
    owner = pwd.getpwnam("nobody").pw_uid

    environment = {**os.environ, "PYTHONPATH": _readable_path()}
    call = "import sys; from taskserver.cli import main; sys.exit(main())"
    for words in (["db", "upgrade"], ["job", "add", "sample"], ["job", "list"]):
        command = [interpreter, "-c", call, "-c", str(config), *words]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert result.returncode == 0, result.stderr

    assert {path.stat().st_uid for path in (open_folder / "users", *(open_folder / "users").iterdir())} == {owner}
