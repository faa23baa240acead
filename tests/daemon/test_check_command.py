"""`check` on real configurations: everything that is wrong, at once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from real_daemon import SCRIPT

from taskserver.cli.session import Session


def check(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), "-c", str(config), "check", *options],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
    )


@pytest.fixture
def configure(tmp_path):
    """Writes a configuration; `allow_root` lets the test run as root too."""

    def configure(text: str = "", *, root: bool = True) -> Path:
        config = tmp_path / "x.toml"
        allowed = "allow_root = true\n" if root else ""
        config.write_text(f"[task_server]\nusers_dir = '{tmp_path}/users'\n{allowed}{text}")
        return config

    return configure


def test_a_new_installation_is_in_order_and_stays_untouched(configure, tmp_path):
    done = check(configure())

    assert done.returncode == 0
    assert done.stdout == "everything is in order\n"
    assert not (tmp_path / "users").exists()


def test_every_fault_is_found_in_one_go(configure, tmp_path):
    (tmp_path / "broken_tasks.py").write_text("import nowhere_to_be_found\n")
    config = configure(
        f"modules = ['broken_tasks', 'missing_tasks']\npython_path = ['{tmp_path}']\n"
        "database = 'postgresql://127.0.0.1:1/none'\n"
        "[tasks.one]\ncommand = ['/no/such/program']\n"
        "[tasks.two]\ncommand = ['/bin/true']\ncwd = '/no/such/folder'\n"
        f"[tasks.three]\ncommand = ['{tmp_path}/x.toml']\n"
        "[tasks.four]\ncommand = ['/bin/true']\n"
    )

    done = check(config)

    assert done.returncode == 6
    for named in ("broken_tasks", "missing_tasks", "tasks.one", "tasks.two", "tasks.three", "127.0.0.1"):
        assert named in done.stderr
    assert "tasks.four" not in done.stderr
    assert "Traceback" not in done.stderr


def test_as_json_it_is_one_document(configure):
    done = check(configure("[tasks.one]\ncommand = ['/no/such/program']\n"), "--json")

    document = json.loads(done.stdout)
    assert done.returncode == 6
    assert document["ok"] is False
    assert [fault["area"] for fault in document["faults"]] == ["tasks.one"]


def test_a_database_that_is_not_there_is_one(configure):
    done = check(configure("database = 'postgresql://127.0.0.1:1/none'\n"))

    assert done.returncode == 1
    assert "\ndatabase: " in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_an_interpreter_that_the_user_cannot_reach_is_named(configure, tmp_path):
    done = check(configure("run_as = 'nobody'\n", root=False))

    assert done.returncode in (0, 6)  # 0 where nobody can reach this installation
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_what_start_would_refuse_of_command_tasks_is_found(configure, tmp_path):
    (tmp_path / "own_tasks.py").write_text(
        "from taskserver import task\n\n\n@task('twice')\ndef twice() -> None: ...\n"
    )
    config = configure(
        f"modules = ['own_tasks']\npython_path = ['{tmp_path}']\n"
        "[tasks.twice]\ncommand = ['/bin/true']\n"
        "[tasks.sample]\ncommand = ['/bin/true']\n"
        "[tasks.right]\ncommand = ['/bin/true', '{word}']\ntimeout = '5m'\n"
        "[tasks.right.defaults]\nword = 'x'\n"
    )

    done = check(config)

    assert done.returncode == 6
    assert "task 'twice' is declared twice" in done.stderr
    assert "task 'sample' is declared twice" in done.stderr
    assert "right" not in done.stderr


def test_tables_of_another_program_are_a_fault(configure, tmp_path):
    config = configure(f"database = 'sqlite:///{tmp_path}/other.sqlite'\n")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        connection.execute("CREATE TABLE jobs (name text)")
        connection.execute("CREATE TABLE others (name text)")

    done = check(config)

    assert done.returncode == 154
    assert done.stderr.count("tables of another program that have the names of ours: jobs;") == 1


@pytest.fixture
def findings(configure, tmp_path, monkeypatch):
    """What `check` says, in this process; for an unknown user there is no need to be root."""

    def findings(text: str = "") -> tuple[int, str]:
        from taskserver.cli import lifecycle_check

        said: list[str] = []
        monkeypatch.setattr(lifecycle_check, "note", said.append)
        code = lifecycle_check.check(Session(installation=tmp_path, config=configure(text)))
        return code, "\n".join(said)

    return findings


def test_not_knowing_the_user_the_other_areas_are_looked_at(findings, tmp_path):
    (tmp_path / "users").write_text("")

    code, said = findings(
        "run_as = 'no-such-user'\nmodules = ['nowhere_to_be_found']\ndatabase = 'postgresql://127.0.0.1:1/none'\n"
        "[tasks.one]\ncommand = ['/no/such/program']\n"
    )

    assert code == 6
    assert [line.partition(":")[0] for line in said.splitlines()[:5]] == [
        *("user", "folders", "daemon", "tasks.one", "database")
    ]
    assert "nowhere_to_be_found" in said


def test_a_users_directory_that_start_refuses_is_refused_once(findings, tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / "users").chmod(0o777)
    _, opened = findings()
    (tmp_path / "users").rmdir()
    (tmp_path / "users").write_text("")
    code, replaced = findings()

    assert "everybody may write into it" in opened
    assert len(opened.splitlines()) == len(replaced.splitlines()) == 1
    assert "it is not a folder" in replaced
    assert code == 6


def test_a_fault_in_the_file_hides_no_other_fault(findings):
    code, said = findings(
        "max_parallel = 'many'\nrun_as = 'no-such-user'\nmodules = ['nowhere_to_be_found']\n"
        "[tasks.one]\ncommand = ['/no/such/program']\n"
        "[tasks.two]\ncommand = ['/bin/echo', '{', 'x', '{a!r}']\n"
    )

    assert code == 6
    for named in ("max_parallel", "no-such-user", "nowhere_to_be_found", "/no/such/program"):
        assert named in said
    assert [number for number in range(1, 5) if f"tasks.two.command (item {number})" in said] == [2, 4]


def test_a_fault_in_the_file_lets_the_modules_be_imported_as_the_user(findings, tmp_path):
    (tmp_path / "broken_tasks.py").write_text("import nowhere_to_be_found\n")

    _, said = findings(f"max_parallel = 'many'\nmodules = ['broken_tasks']\npython_path = ['{tmp_path}']\n")

    assert "broken_tasks" in said
    assert "nowhere_to_be_found" in said


def test_what_is_at_fault_itself_is_not_judged_by_its_default(findings):
    _, said = findings("run_as = 1\nusers_dir = 2\nmodules = 'x'\n")

    assert {line.partition(":")[0] for line in said.splitlines()} == {"configuration"}


def test_of_a_file_that_everybody_may_change_nothing_is_imported(findings, tmp_path):
    (tmp_path / "marking.py").write_text(f"open('{tmp_path}/imported', 'w').close()\n")
    previous = os.umask(0)
    try:
        _, said = findings(f"modules = ['marking']\npython_path = ['{tmp_path}']\n")
    finally:
        os.umask(previous)

    assert "everybody" in said
    assert "chmod o-w" in said
    assert not (tmp_path / "imported").exists()


def test_a_missing_folder_of_the_database_is_a_fault(findings, tmp_path):
    code, said = findings(f"database = 'sqlite:///{tmp_path}/nowhere/x.sqlite'\n")

    assert code == 6
    assert f"the folder {tmp_path}/nowhere does not exist" in said


def test_a_database_that_another_daemon_uses_is_a_fault(findings, tmp_path):
    (tmp_path / "users").mkdir()
    with (tmp_path / "users" / "taskserver.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = findings()
    free, _ = findings()

    assert (code, free) == (1, 0)
    assert "used by another task server" in said


def test_a_driver_that_is_not_installed_leaves_the_rest_to_be_found(findings, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    code, said = findings(
        "database = 'postgresql://127.0.0.1:1/none'\n[tasks.one]\ncommand = ['/no/such/program']\n"
    )

    assert code == 6
    assert "pip install" in said
    assert "tasks.one: " in said


def test_an_empty_database_server_needs_its_tables_first(findings, monkeypatch):
    from taskserver import database

    monkeypatch.setattr(database, "schema_state", lambda _: database.SchemaState.EMPTY)
    monkeypatch.setattr(database, "foreign_tables", lambda _: [])

    code, said = findings("database = 'postgresql://127.0.0.1:1/none'\n")
    allowed, _ = findings("database = 'postgresql://127.0.0.1:1/none'\nauto_upgrade = true\n")

    assert (code, allowed) == (154, 0)
    assert "db upgrade" in said


def test_a_pidfile_that_is_none_is_a_fault(findings, tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "taskserver.pid").symlink_to(tmp_path / "x.toml")

    code, said = findings()

    assert code == 4
    assert said.startswith("pidfile: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_pidfile_of_somebody_else_is_a_fault(findings, tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "taskserver.pid").write_text("1\n")
    os.chown(tmp_path / "users" / "taskserver.pid", 65534, 65534)

    code, said = findings()

    assert code == 4
    assert "belongs to" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("name", ["x.sqlite", "x.sqlite.lock", ""])
def test_what_is_closed_to_the_daemons_user_is_named(open_to_all, name):
    from taskserver.cli.lifecycle_check_database import database_findings
    from taskserver.config import load

    config, folder = open_to_all / "x.toml", open_to_all / "folder"
    config.write_text(f"[task_server]\ndatabase = 'sqlite:///{folder}/x.sqlite'\n")
    settings = load(config, installation=open_to_all)
    folder.mkdir()
    (folder / "x.sqlite").touch()
    (folder / "x.sqlite.lock").touch()
    for place in (folder, folder / "x.sqlite", folder / "x.sqlite.lock"):
        os.chown(place, 65534, 65534)
    os.chown(folder / name, 0, 0)
    (folder / name).chmod(0o700)

    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        found = list(database_findings(settings, running=False, trusted=True))
        os._exit(len(found) == 1 and f"{folder / name} is not writable" in found[0].text and found[0].code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 6


@pytest.mark.parametrize("name", ["taskserver.log", "control.sock", "taskserver.sqlite.lock"])
@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda place: place.symlink_to("/etc/hostname"), lambda place: place.symlink_to("no")],
    ids=["fifo", "folder", "link", "dangling"],
)
def test_what_start_would_refuse_in_the_users_directory_is_told(configure, tmp_path, name, put):
    config = configure()
    (tmp_path / "users").mkdir(mode=0o750)
    put(tmp_path / "users" / name)

    done = check(config)

    assert done.returncode in (1, 6)
    assert name in done.stderr
    assert "everything is in order" not in done.stdout
    started = subprocess.run(
        [str(SCRIPT), "-c", str(config), "start"], capture_output=True, text=True, timeout=60, check=False
    )
    assert started.returncode == done.returncode
    assert done.stderr.splitlines()[0].partition(": ")[2] in started.stderr
