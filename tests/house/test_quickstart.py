"""`./scripts/quickstart` in a fresh copy of the tree, as an administrator would call it.

Two tests install the package for real and take most of the time; the others end before anything is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534
SECOND_CALL_SECONDS = 30
TOOLS = ("cat", "cksum", "dirname", "id", "readlink", "sh")

# A python3 without what Debian puts into packages of their own.
LACKING = """#!/bin/sh
case "$*" in
    {lacking}) exit 1 ;;
esac
exec {python} "$@"
"""
TOO_OLD = """#!/bin/sh
case "$*" in
    *print*) echo 3.9.2 ;;
    *) exit 1 ;;
esac
"""

is_root = os.geteuid() == 0


class Clone:
    """A copy of the tree, and who calls its scripts with which programs at hand."""

    def __init__(self, base: Path, *, user: int | None, path: str) -> None:
        self.folder = base / "a clone"
        self._user = user
        self.environment = {"PATH": path, "HOME": str(base), "LANG": "C.UTF-8"}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}

    def call(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "scripts" / script, *arguments],
            cwd="/",
            env=self.environment,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def quickstart(self) -> str:
        done = self.call("quickstart")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self) -> None:
        """What the script would install, lent by the environment of the tests."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder / ".venv"], check=True)
        (packages,) = (self.folder / ".venv").glob("lib/python*/site-packages")
        (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        stamp = ". scripts/environment.sh; fingerprint >.venv/installed-package"
        subprocess.run(["sh", "-euc", stamp], cwd=self.folder, check=True)

    def edit(self, script: str, old: str, new: str) -> None:
        file = self.folder / "scripts" / script
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))

    def pid(self) -> Any:
        return json.loads(self.call("task_server.py", "status", "--json").stdout)["pid"]

    def jobs(self) -> list[tuple[str, str | None]]:
        with contextlib.closing(sqlite3.connect(self.folder / "users" / "taskserver.sqlite")) as connection:
            return connection.execute("SELECT type, status FROM jobs ORDER BY type DESC").fetchall()


@pytest.fixture
def make_clone(copy_of_the_tree: Callable[[Path], Path]) -> Iterator[Callable[..., Clone]]:
    """In a folder that every user can reach, which pytest's are not."""
    with contextlib.ExitStack() as stack:

        def make(*, user: int | None = None, path: str = os.environ["PATH"]) -> Clone:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quickstart")))
            clone = Clone(base, user=user, path=path)
            copy_of_the_tree(clone.folder)
            if user is not None:
                for place in (base, *base.rglob("*")):
                    os.chown(place, user, user, follow_symlinks=False)
            stack.callback(clone.call, "task_server.py", "stop", "--now")
            return clone

        yield make


@pytest.fixture
def make_tools(tmp_path: Path) -> Iterator[Callable[[str | None], str]]:
    """A PATH that holds this text as python3, and hardly anything else."""
    with tempfile.TemporaryDirectory(prefix="tools") as name:
        folder = Path(name)
        folder.chmod(0o755)

        def make(python: str | None) -> str:
            for tool in TOOLS:
                (folder / tool).symlink_to(shutil.which(tool) or tool)
            if python is not None:
                (folder / "python3").write_text(python)
                (folder / "python3").chmod(0o755)
            return str(folder)

        yield make


def lacking(*patterns: str) -> str:
    return LACKING.format(lacking=" | ".join(patterns), python=SYSTEM_PYTHON)


def installs_elsewhere(python: str) -> bool:
    """Whether its pip installs into other environments, and it is new enough to have one made."""
    script = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return Path(python).exists() and not subprocess.run([python, "-c", script], check=False).returncode


@pytest.mark.skipif(not is_root, reason="needs root")
def test_root_gets_a_running_server_and_a_second_call_doubles_nothing(make_clone: Callable[..., Clone]) -> None:
    clone = make_clone()

    first = clone.quickstart()
    pid, jobs = clone.pid(), clone.jobs()
    began = time.monotonic()
    clone.quickstart()

    assert "this demonstration runs as root" in first
    assert "stopped: counted to" in first
    assert "finished: counted to 100" in first
    assert "next run:" in first
    assert time.monotonic() - began < SECOND_CALL_SECONDS
    assert jobs == [("once", "finished"), ("interval", None)]
    assert (clone.pid(), clone.jobs()) == (pid, jobs)


def test_an_ordinary_user_needs_neither_python3_venv_nor_a_clean_start(
    make_clone: Callable[..., Clone], make_tools: Callable[[str | None], str]
) -> None:
    if not installs_elsewhere(SYSTEM_PYTHON):
        pytest.skip("needs the Debian package python3-pip, of Python 3.11 or newer")
    path = f"{make_tools(lacking('*ensurepip*'))}:/usr/bin:/bin"
    clone = make_clone(user=NOBODY if is_root else None, path=path)

    first = clone.quickstart()
    clone.call("task_server.py", "stop")
    shutil.rmtree(clone.folder / "users")
    clone.quickstart()

    assert "as root" not in first
    assert clone.jobs() == [("once", "finished"), ("interval", None)]
    assert (clone.folder / ".venv" / "bin" / "pip").exists()


def test_a_job_that_is_quicker_than_its_stop_ends_nothing_half_way(make_clone: Callable[..., Clone]) -> None:
    clone = make_clone()
    clone.install()
    clone.edit("quickstart", "SECONDS_UNTIL_STOP=2", "SECONDS_UNTIL_STOP=0")
    too_late = 'step "Stopping it half way"\n    control job wait "$1"'  # as on a machine that is too busy
    clone.edit("quickstart", 'step "Stopping it half way"', too_late)

    told = clone.quickstart()

    assert "It was quicker than the wish to stop it" in told
    assert "Starting it again" not in told
    assert "The task server is running" in told
    assert clone.jobs() == [("once", "finished"), ("interval", None)]


def test_with_neither_pip_nor_ensurepip_it_names_the_packages(
    make_clone: Callable[..., Clone], make_tools: Callable[[str | None], str]
) -> None:
    clone = make_clone(path=make_tools(lacking("*ensurepip*", '"-m pip "*')))

    done = clone.call("quickstart")

    assert done.returncode == 1
    assert "install the Debian package python3-venv or python3-pip" in done.stderr
    assert not (clone.folder / "users").exists()


def test_an_old_python_is_named_with_its_version(
    make_clone: Callable[..., Clone], make_tools: Callable[[str | None], str]
) -> None:
    tools = make_tools(TOO_OLD)
    clone = make_clone(path=tools)

    done = clone.call("quickstart")

    assert done.returncode == 1
    assert f"Python 3.11 or newer is needed, but {tools}/python3 is Python 3.9.2" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(
    make_clone: Callable[..., Clone], make_tools: Callable[[str | None], str]
) -> None:
    tools = make_tools(TOO_OLD)
    newer = Path(tools) / "python3.11"
    newer.write_text(lacking("*ensurepip*", '"-m pip "*'))
    newer.chmod(0o755)
    clone = make_clone(path=tools)

    done = clone.call("quickstart")

    assert f"with {newer}" in done.stdout
    assert "python3.11-venv" in done.stderr


def test_without_any_python_it_says_what_to_install(
    make_clone: Callable[..., Clone], make_tools: Callable[[str | None], str]
) -> None:
    clone = make_clone(path=make_tools(None))

    done = clone.call("quickstart")

    assert done.returncode == 1
    assert "there is no python3; install python3" in done.stderr


def test_an_index_that_does_not_answer_is_a_clear_end(make_clone: Callable[..., Clone]) -> None:
    clone = make_clone()
    options = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    clone.environment |= {
        **options,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
    }

    done = clone.call("quickstart")

    assert done.returncode == 1
    assert "pip could not install the packages" in done.stderr
