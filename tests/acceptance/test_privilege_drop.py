"""Root starts it, somebody else runs it: looked up in /proc, on a clone that a system user can reach."""

from __future__ import annotations

import configparser
import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from scratch_server import ROOT, SCRIPT, TASK_MODULES, TaskServer
from waiting import eventually

SYSTEM_PYTHON = Path("/usr/bin/python3")


@pytest.fixture(scope="module")
def clone():
    """A copy of the tree with a virtual environment of the system's Python, open to every user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not SYSTEM_PYTHON.exists() or system("-c", "import sys; sys.exit(sys.version_info < (3, 11))").returncode:
        pytest.skip("the system has no /usr/bin/python3 of 3.11 or newer: install python3")
    folder = Path(tempfile.mkdtemp(prefix="taskserver-clone-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        for name in ("taskserver", "scripts", "etc"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", folder)
        shutil.copytree(TASK_MODULES, folder / "modules", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX,go-w", folder], check=True)
        install(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def system(*arguments):
    return subprocess.run([SYSTEM_PYTHON, *arguments], capture_output=True, text=True, check=False)


def install(folder):
    """What the package needs, and the package not: the script takes the one beside it."""
    environment = folder / ".venv"
    made = system("-m", "venv", "--without-pip", str(environment))
    if made.returncode:
        pytest.skip(f"no virtual environment can be made: {made.stderr.strip()}")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = setup["options"]["install_requires"].split()
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet", *needed],
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    if done.returncode:
        pytest.skip(f"the packages cannot be installed: {done.stderr.strip()[-200:]}")


class Clone(TaskServer):
    """The daemon of that clone; its control program is called as the init system does."""

    def __init__(self, home, folder, user):
        self.home, self.user = home, pwd.getpwnam(user)
        super().__init__(folder, run_as=user, allow_root=None, python_path=[str(home / "modules")])
        folder.chmod(0o755)

    def spawn(self, *arguments, **options):
        script = self.home / "scripts" / "task_server.py"
        before = options.pop("before", [])
        return subprocess.Popen(
            [*before, str(script), "-c", str(self.config_file), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin", "ACCEPTANCE_FOLDER": str(self.folder)},
            **options,
        )


@pytest.fixture
def somebody():
    """A system user without a password, a shell or anything to lose."""
    for name in ("www-data", "daemon", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("none of the usual system users exists")


@pytest.fixture
def cloned(clone, somebody):
    folder = Path(tempfile.mkdtemp(prefix="ts", dir="/var/tmp"))
    server = Clone(clone, folder, somebody.pw_name)
    yield server
    server.finish()
    shutil.rmtree(folder)


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


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


def become(user):
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


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
