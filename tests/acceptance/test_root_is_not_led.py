"""Root starts a daemon, and others own what it comes by: configuration, code, modules, folders and files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from clone_of_the_tree import become

pytestmark = pytest.mark.slow

STRANGER = 4711


@pytest.fixture
def of_root():
    """A folder that every user can pass and only root can change."""
    folder = Path(tempfile.mkdtemp(prefix="roots", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def mend(told):
    """Do what the message says, one command a line."""
    for command in re.findall(r"mend it with: (.*)", told):
        subprocess.run(shlex.split(command), check=True)


FOLLOWING = (("start",), ("run",), ("check",), ("restart",), ("--run-job=1", "start"), ("job", "list"))


@pytest.mark.parametrize("change", ["owner", "group", "folder"])
def test_a_configuration_that_others_can_change_is_not_followed(cloned, change):
    if change == "owner":
        os.chown(cloned.config_file, STRANGER, 0)
    elif change == "group":
        os.chown(cloned.config_file, 0, 65534)
        cloned.config_file.chmod(0o664)
    else:
        os.chown(cloned.folder, STRANGER, 0)

    told = [cloned.control(*words, code=6) for words in (FOLLOWING if change == "owner" else FOLLOWING[:1])]

    place = cloned.folder if change == "folder" else cloned.config_file
    assert all(f"{place}: " in done.stderr + done.stdout for done in told)
    assert not cloned.users_dir.exists()
    mend(told[0].stderr)
    cloned.control("start")


def test_variables_of_root_do_not_lead_to_another_configuration(cloned, of_root):
    """TASKSERVER_CONFIG may have come from a user through sudo."""
    theirs = Path(shutil.copy(cloned.config_file, "/var/tmp"))
    os.chown(theirs, STRANGER, STRANGER)
    try:
        script = cloned.home / "scripts" / "task_server.py"
        done = subprocess.run(
            [script, "start"],
            env={"PATH": "/usr/bin:/bin", "TASKSERVER_CONFIG": str(theirs)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        theirs.unlink()

    assert done.returncode == 6
    assert "chown root: /var/tmp/taskserver.toml" in done.stderr


@pytest.fixture
def own_configuration(cloned, somebody):
    """The configuration belongs to the daemon's user."""
    os.chown(cloned.config_file, somebody.pw_uid, somebody.pw_gid)
    cloned.given("users")
    return cloned


def test_one_of_the_daemons_user_is_followed(own_configuration, somebody):
    own_configuration.control("check")
    pid = own_configuration.start()

    assert Path(f"/proc/{pid}").stat().st_uid == somebody.pw_uid
    own_configuration.control("reload")
    own_configuration.control("restart")


def test_but_only_with_the_rights_of_that_user(own_configuration, of_root):
    """Root could else be made to make files for it in any folder, or to read any file as a password."""
    own_configuration.configure(log_file=str(of_root / "profile"))
    os.chown(own_configuration.config_file, own_configuration.user.pw_uid, 0)
    told = own_configuration.control("start", code=None)
    assert told.returncode != 0
    assert list(of_root.iterdir()) == []

    own_configuration.configure(log_file=None, users_dir=str(of_root / "users"))
    told = own_configuration.control("start", code=None)
    assert told.returncode != 0
    assert list(of_root.iterdir()) == []

    (of_root / "token").write_text("canary\n")
    (of_root / "token").chmod(0o600)
    secret = {"database": "postgresql://u@127.0.0.1:9/x", "database_password_file": str(of_root / "token")}
    own_configuration.configure(users_dir=str(own_configuration.users_dir), **secret)
    told = own_configuration.control("check", code=6)
    assert "token" in told.stderr
    assert "Permission denied" in told.stderr


def test_it_cannot_allow_itself_root(own_configuration):
    own_configuration.configure(run_as=None, allow_root=True)

    for words in (("start",), ("run",), ("job", "list"), ("check",)):
        own_configuration.control(*words, code=6)
    own_configuration.configure(run_as="root", allow_root=True)
    for words in (("start",), ("run",), ("job", "list"), ("check",)):
        own_configuration.control(*words, code=6)


def test_a_password_file_by_a_link_of_the_daemons_user_is_read_as_that_user(cloned, of_root):
    """Its folder belongs to the daemon's user, who puts a link to a file of root's in its place."""
    (of_root / "token").write_text("canary\n")
    (of_root / "token").chmod(0o600)
    secrets = cloned.given("secrets")
    (secrets / "password").symlink_to(of_root / "token")
    os.chown(secrets / "password", cloned.user.pw_uid, 0, follow_symlinks=False)
    cloned.configure(database="postgresql://u@127.0.0.1:9/x", database_password_file=str(secrets / "password"))

    assert "Permission denied" in cloned.control("check", code=6).stderr
    (secrets / "password").unlink()
    (secrets / "password").write_text("theirs\n")
    (secrets / "password").chmod(0o600)
    os.chown(secrets, STRANGER, 0)
    assert f"chown root: {secrets}" in cloned.control("check", code=6).stderr


@pytest.fixture
def module(cloned):
    """A task module in a folder of the daemon's user."""
    cloned.add_witness()
    return cloned.folder / "witnesses" / "witness.py"


RUNNING = (("start",), ("run",), ("--run-job=1", "start"), ("job", "add", "witness"), ("check",))


@pytest.mark.parametrize("change", ["owner", "everybody", "folder", "compiled", "link"])
def test_a_task_module_that_others_can_change_is_not_imported(cloned, module, change):
    cloned.control("db", "upgrade")
    place = module
    if change == "owner":
        os.chown(module, STRANGER, STRANGER)
    elif change == "everybody":
        module.chmod(0o666)
    elif change == "folder":
        place = module.parent / "package"
        place.mkdir(mode=0o700)
        place.chmod(0o777)
    elif change == "compiled":
        place = module.parent / "__pycache__" / "witness.cpython-311.pyc"
        place.parent.mkdir()
        place.write_text("")
        os.chown(place.parent, cloned.user.pw_uid, 0)
        os.chown(place, STRANGER, 0)
    else:
        place = module.parent / "theirs.py"
        place.symlink_to(module)
        os.chown(place, STRANGER, 0, follow_symlinks=False)

    told = [cloned.control(*words, code=4) for words in (RUNNING if change == "owner" else RUNNING[-2:])]

    assert all(f"{place}: " in done.stderr for done in told)
    assert not (cloned.folder / "seen" / "euids").exists()
    mend(told[0].stderr)
    cloned.control("start")


def test_a_program_that_others_can_change_is_not_offered(cloned):
    program = cloned.folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    os.chown(program, STRANGER, STRANGER)
    cloned.commands["tool"] = {"command": [str(program)]}
    cloned.configure()

    told = cloned.control("start", code=4)

    assert f"chown root: {program}" in told.stderr


def test_a_restart_leaves_the_old_daemon_alone_then(cloned, module):
    pid = cloned.start()
    module.chmod(0o666)

    cloned.control("restart", code=4)
    cloned.control("try-restart", code=4)

    assert cloned.pid == pid
    assert Path(f"/proc/{pid}").exists()
    cloned.control("stop")


@pytest.mark.parametrize("part", [".venv/lib/evil.py", "taskserver/evil.py", "scripts/evil.py"])
@pytest.mark.parametrize("owner", ["stranger", "the daemon's user"])
def test_code_that_others_can_change_is_not_run_by_whichever_way_it_is_called(cloned, somebody, part, owner):
    place = cloned.home / part
    place.write_text("")
    os.chown(place, STRANGER if owner == "stranger" else somebody.pw_uid, 0)
    try:
        by_script = cloned.control("start", code=4)
        python = str(cloned.home / ".venv" / "bin" / "python")
        past_the_shell = [cloned.control(*words, code=4, before=[python]) for words in (("start",), ("check",))]
    finally:
        place.unlink()

    for done in (by_script, *past_the_shell):
        assert str(place) in done.stderr
        assert "chown" in done.stderr
    assert not cloned.processes()


def test_root_opens_no_database_in_the_folder_of_another_user_but_as_that_user(cloned, of_root):
    """A link in place of the write-ahead log would have root write into what it leads to."""
    users = cloned.given("users")
    victim = of_root / "victim"
    victim.write_text("precious")
    cloned.configure(run_as=None)
    (users / "taskserver.sqlite-wal").symlink_to(victim)

    for words in (("job", "list"), ("db", "upgrade"), ("db", "status")):
        cloned.control(*words, code=None)
    start = cloned.control("--allow-root", "start", code=None)

    assert str(users) in start.stderr
    assert victim.read_text() == "precious"
    made = [place for place in users.iterdir() if place.name != "taskserver.sqlite-wal"]
    assert all(place.lstat().st_uid != 0 for place in made)


NAMES = ("taskserver.pid", "taskserver.log", "taskserver.sqlite", "taskserver.sqlite-wal", "taskserver.sqlite-shm")
PLANTS = {
    "link": lambda place, victim: place.symlink_to(victim),
    "hard link": lambda place, victim: place.hardlink_to(victim),
    "fifo": lambda place, victim: os.mkfifo(place),
    "folder": lambda place, victim: place.mkdir(),
    "device": lambda place, victim: os.mknod(place, 0o20666, os.makedev(1, 7)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", PLANTS)
def test_whatever_the_daemons_user_plants_root_neither_follows_nor_waits(cloned, somebody, of_root, kind, name):
    """Every call ends by itself (the harness bounds it), and the victim stays as it was."""
    victim, place = of_root / "victim", cloned.given("users") / name
    victim.write_text("precious\n")
    victim.chmod(0o666)
    before = victim.stat()
    PLANTS[kind](place, victim)
    if kind not in ("hard link", "device"):
        os.chown(place, somebody.pw_uid, somebody.pw_gid, follow_symlinks=False)

    done = cloned.control("start", code=None)
    for words in (("job", "list"), ("stop",)) if "sqlite" in name else (("status",), ("stop",)):
        cloned.control(*words, code=None)

    assert done.returncode != 0
    assert name in done.stderr
    assert victim.read_text() == "precious\n"
    after = victim.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert not cloned.processes()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_callers_umask(cloned, umask):
    cloned.configure(users_dir=str(cloned.folder / "new" / "users"), database=None)
    cloned.users_dir = cloned.folder / "new" / "users"

    cloned.control("start", umask=umask)
    cloned.control("job", "add", "quick", umask=umask)

    modes = {place.name: place.lstat().st_mode & 0o7777 for place in cloned.users_dir.iterdir()}
    assert modes.pop("control.sock") == 0o660
    assert set(modes.values()) == {0o640}, modes
    assert cloned.users_dir.stat().st_mode & 0o7777 == 0o750
    assert cloned.users_dir.parent.stat().st_mode & 0o7777 == 0o755


def test_words_of_the_daemons_user_do_not_steer_roots_terminal(cloned, somebody):
    """What a task module says ends up in messages to root."""
    cloned.add_witness()
    (cloned.folder / "witnesses" / "witness.py").write_text('raise RuntimeError("\\x1b]0;owned\\x07\\x1b[2J")\n')

    done = cloned.control("start", code=None)

    assert done.returncode != 0
    assert "owned" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr


def test_another_user_reaches_nothing_in_the_users_directory(cloned):
    cloned.start()
    stranger = type("User", (), {"pw_uid": STRANGER, "pw_gid": STRANGER})
    attack = 'for file in taskserver.pid control.sock taskserver.log taskserver.sqlite; do cat "$1/$file"; done'

    done = subprocess.run(
        [*become(stranger), "sh", "-c", attack, "sh", str(cloned.users_dir)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
    assert done.stderr.count("Permission denied") == 4
