"""Root starts it, somebody else runs it: looked up in /proc, on a clone that a system user can reach."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from clone_of_the_tree import become, status_of
from scratch_server import SCRIPT
from waiting import eventually


def test_the_daemon_is_that_user_and_nobody_else(cloned, somebody):
    pid = cloned.start()

    status = status_of(pid)
    assert status["Uid"] == [str(somebody.pw_uid)] * 4
    assert status["Gid"] == [str(somebody.pw_gid)] * 4
    groups = set(os.getgrouplist(somebody.pw_name, somebody.pw_gid))
    assert {int(group) for group in status["Groups"]} <= groups
    assert "0" not in status["Groups"]
    for capabilities in ("CapPrm", "CapEff", "CapAmb"):
        assert int(status[capabilities][0], 16) == 0
    assert Path(f"/proc/{pid}/cwd").readlink() == cloned.home
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"SUDO" not in environment


WITH_GROUPS = 'mount --bind "$1" /etc/group && shift && exec setpriv --groups=0,4,27 "$@"'


def test_it_has_the_groups_of_the_user_and_none_of_roots(cloned, somebody):
    group = next(group for group in grp.getgrall() if group.gr_gid not in {0, 4, 27, somebody.pw_gid})
    groups = cloned.folder / "group"
    member = f"{group.gr_name}:x:{group.gr_gid}:{somebody.pw_name}"
    lines = Path("/etc/group").read_text().splitlines()
    groups.write_text("\n".join(member if line.startswith(f"{group.gr_name}:") else line for line in lines) + "\n")
    apart = ["unshare", "--mount", "sh", "-c", WITH_GROUPS, "sh", str(groups)]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("another /etc/group cannot be mounted here")

    cloned.control("start", before=apart)

    found = {int(number) for number in status_of(cloned.pid)["Groups"]}
    assert found == {*os.getgrouplist(somebody.pw_name, somebody.pw_gid), group.gr_gid}


def test_so_are_its_commands_and_none_of_its_files_is_roots(cloned, somebody):
    cloned.add_command("whoami", "id -u; id -g; id -G")
    cloned.start()
    job = cloned.add("whoami")
    assert cloned.wait(job) == ["finished"]
    said = cloned.control("job", "log", str(job)).stdout.split()

    assert said[:2] == [str(somebody.pw_uid), str(somebody.pw_gid)]
    assert "0" not in said
    for words in (["job", "list"], ["check"], ["db", "status"], ["reload"], ["restart"], ["config", "show"]):
        cloned.control(*words)
    cloned.stop()
    for words in (["job", "list"], ["job", "add", "quick"], ["task", "list"], ["check"], ["history", "list"]):
        cloned.control(*words)
    cloned.control("--run-job=2", "start")
    found = {path.name: path.lstat() for path in [cloned.users_dir, *cloned.users_dir.rglob("*")]}
    assert {"users", "taskserver.log", "taskserver.sqlite"} <= set(found)
    assert {name for name, stat in found.items() if stat.st_uid != somebody.pw_uid} == set()
    assert {name for name, stat in found.items() if stat.st_gid != somebody.pw_gid} == set()
    assert {name for name, stat in found.items() if stat.st_mode & 0o027} == set(), "others see nothing"
    cloned.start()
    pidfile = (cloned.users_dir / "taskserver.pid").stat()
    assert (pidfile.st_uid, pidfile.st_mode & 0o777) == (somebody.pw_uid, 0o640)
    socket = (cloned.users_dir / "control.sock").stat()
    assert socket.st_uid == somebody.pw_uid
    assert socket.st_mode & 0o007 == 0
    assert not [path for path in cloned.home.rglob("*") if path.lstat().st_mode & 0o002 and not path.is_symlink()]


def test_a_database_that_root_makes_is_the_users(cloned, somebody):
    cloned.control("start")
    cloned.stop()
    for file in cloned.users_dir.iterdir():
        file.unlink()

    cloned.control("db", "upgrade")
    cloned.control("job", "add", "quick")

    owners = {file.name: file.stat().st_uid for file in cloned.users_dir.iterdir()}
    assert owners["taskserver.sqlite"] == somebody.pw_uid
    assert set(owners.values()) == {somebody.pw_uid}
    cloned.start()
    assert cloned.wait(1) == ["finished"]


def test_its_own_user_may_start_it_and_others_may_not(cloned, somebody):
    cloned.start()
    cloned.stop()
    other = next(user for user in pwd.getpwall() if user.pw_uid not in {0, somebody.pw_uid})

    done = cloned.control("start", code=4, before=become(other))
    assert somebody.pw_name in done.stderr
    cloned.control("status", code=3)

    cloned.control("start", code=0, before=become(somebody))
    assert status_of(cloned.pid)["Uid"] == [str(somebody.pw_uid)] * 4
    assert cloned.control("stop", code=None, before=become(other)).returncode == 4
    cloned.control("status", code=0)
    cloned.control("stop", code=0)


def test_users_who_cannot_be(cloned):
    cloned.configure(run_as="no-such-user")
    assert "no-such-user" in cloned.control("start", code=6).stderr

    cloned.configure(run_as=None)
    assert "run_as" in cloned.control("start", code=6).stderr

    cloned.configure(run_as="root")
    assert "allow_root" in cloned.control("start", code=6).stderr
    assert not cloned.processes()


def test_a_clone_that_the_user_cannot_reach_is_named_before_anything_is_started(cloned, somebody):
    cloned.home.chmod(0o700)
    try:
        done = cloned.control("start", code=None)
    finally:
        cloned.home.chmod(0o755)

    assert done.returncode not in {0, None}
    assert str(cloned.home) in done.stderr
    assert somebody.pw_name in done.stderr
    assert not cloned.processes()


def test_an_interpreter_that_the_user_cannot_reach_is_named(new_server, somebody):
    interpreter = Path(sys.executable).resolve()
    closed = [folder for folder in interpreter.parents if not folder.stat().st_mode & 0o001]
    if not closed or os.geteuid() != 0:
        pytest.skip("every user can reach the interpreter of these tests")
    server = new_server(run_as=somebody.pw_name, allow_root=None)
    server.folder.chmod(0o755)

    done = server.control("start", code=None, script=SCRIPT)

    assert done.returncode not in {0, None}
    assert str(closed[0]) in done.stderr
    assert not server.processes()


def test_a_link_planted_in_the_pidfiles_place_is_refused(cloned, somebody):
    cloned.start()
    cloned.stop()
    victim = cloned.folder / "victim"
    victim.write_text("precious")
    (cloned.users_dir / "taskserver.pid").symlink_to(victim)

    done = cloned.control("start", code=None)

    assert done.returncode not in {0, None}
    assert "taskserver.pid" in done.stderr
    assert victim.read_text() == "precious"
    assert victim.stat().st_uid == 0


def test_stop_as_root_leaves_alone_what_the_user_wrote_into_the_pidfile(cloned, somebody):
    cloned.start()
    cloned.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pidfile = cloned.users_dir / "taskserver.pid"
        pidfile.write_text(f"{stranger.pid}\n")
        os.chown(pidfile, somebody.pw_uid, somebody.pw_gid)

        cloned.control("stop", code=None)

        assert stranger.poll() is None
        stranger.kill()
    eventually(lambda: cloned.control("status", code=None).returncode in {1, 3})
