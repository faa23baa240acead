"""`check` on real configurations: everything that is wrong, at once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from real_daemon import SCRIPT


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
    assert done.returncode == 1
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
