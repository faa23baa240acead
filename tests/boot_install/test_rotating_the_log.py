"""The snippet for logrotate: read by logrotate without a word, and really rotating the log of a running daemon."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from waiting import eventually

from taskserver.boot import logrotate
from taskserver.boot.site import Site

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"
LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin:/bin")

pytestmark = pytest.mark.skipif(LOGROTATE is None, reason="needs the Debian package logrotate")


@pytest.fixture
def site(tmp_path) -> Site:
    """An installation whose folders have odd names, with its configuration."""
    folder = tmp_path / "it's [odd]"
    users_dir = folder / "users"
    config = folder / "taskserver.toml"
    folder.mkdir()
    user = getpass.getuser()
    text = f'[task_server]\nrun_as = "{user}"\nallow_root = true\ndebug = true\nusers_dir = "{users_dir}"\n'
    config.write_text(text + f'database = "sqlite:///{tmp_path}/database.sqlite"\n')
    return Site(
        name="task-server",
        installation=ROOT,
        program=SCRIPT,
        config=config,
        user=user,
        group=user,
        users_dir=users_dir,
        log_file=users_dir / "task server.log",
        drain=timedelta(seconds=1),
    )


@pytest.fixture
def daemon(site):
    """The daemon of this installation, running."""
    site.config.write_text(site.config.read_text() + f'log_file = "{site.log_file}"\n')
    control(site, "start")
    yield site
    control(site, "stop", "--now")


def control(site: Site, *arguments: str) -> None:
    command = [sys.executable, str(SCRIPT), "-c", str(site.config), "--users-dir", str(site.users_dir), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def rotate(tmp_path: Path, text: str | None, *options: str) -> str:
    """Has logrotate work on a snippet; what it says on standard error."""
    snippet = tmp_path / "snippet"
    snippet.write_text(text or "")
    snippet.chmod(0o644)
    done = subprocess.run(
        [LOGROTATE, "--state", str(tmp_path / "state"), *options, str(snippet)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("own_folder", [True, False])
def test_logrotate_reads_the_snippet_and_finds_the_log(tmp_path, site, own_folder):
    site.log_file.parent.mkdir()
    site.log_file.write_text("a line\n")

    said = rotate(tmp_path, logrotate.snippet(site, own_folder=own_folder), "--debug", "--force")

    assert "error" not in said
    assert f"renaming {site.log_file} to {site.log_file}.1" in said


def test_what_a_supervisor_has_caught_is_rotated_as_well(tmp_path, site):
    caught = tmp_path / "caught.log"
    caught.write_text("a line\n")

    said = rotate(tmp_path, logrotate.snippet(site, own_folder=True, caught=caught), "--debug", "--force")

    assert f"copying {caught} to {caught}.1" in said


def test_without_a_log_file_there_is_nothing_to_rotate(site):
    assert logrotate.snippet(replace(site, log_file=None), own_folder=True) is None


def test_after_a_rotation_the_daemon_writes_into_the_new_file(tmp_path, daemon):
    old = Path(f"{daemon.log_file}.1")

    rotate(tmp_path, logrotate.snippet(daemon, own_folder=False), "--force")
    inode = os.stat(daemon.log_file).st_ino  # noqa: PTH116
    rotated = old.read_text()
    control(daemon, "reload")

    assert "ready, pid" in rotated
    assert old.read_text() == rotated
    eventually(lambda: "SIGHUP" in daemon.log_file.read_text())
    assert daemon.log_file.stat().st_ino == inode
    assert daemon.log_file.stat().st_mode & 0o777 == 0o640


def test_a_rotation_beside_a_faulty_configuration_opens_the_log_anew(tmp_path, daemon):
    daemon.config.write_text("[task_server\n")

    rotate(tmp_path, logrotate.snippet(daemon, own_folder=False), "--force")

    eventually(daemon.log_file.exists)
    os.kill(int((daemon.users_dir / "taskserver.pid").read_text().split()[0]), 12)
    eventually(lambda: "SIGUSR2" in daemon.log_file.read_text() or "Thread" in daemon.log_file.read_text())


def test_a_rotation_while_nothing_runs_is_no_error(tmp_path, site):
    site.log_file.parent.mkdir()
    site.log_file.write_text("a line\n")

    assert rotate(tmp_path, logrotate.snippet(site, own_folder=False), "--force") == ""
    assert Path(f"{site.log_file}.1").read_text() == "a line\n"
