"""What is left of root in a daemon that root has started, its launcher, its commands and its tasks: in /proc."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from clone_of_the_tree import become, status_of
from waiting import eventually

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary-aws",
    "PGPASSWORD": "canary-postgres",
    "SSH_AUTH_SOCK": "/tmp/canary-agent",
    "SUDO_USER": "canary-chief",
    "PYTHONSTARTUP": "/canary.py",
    "HTTPS_PROXY": "http://canary:canary@proxy",
}
CALLERS = {**SECRETS, "HOME": "/root", "LC_TIME": "C", "PATH": "/root/bin:.:/usr/sbin:/usr/bin:/sbin:/bin"}

OWN_FILES = re.compile(
    r"/dev/null|pipe:\[\d+\]|socket:\[\d+\]|anon_inode:\[?\w+\]?"
    r"|/var/tmp/ts\w+/users/(taskserver\.(pid|log|sqlite(-wal|-shm|\.lock)?)|control\.sock)"
)


def environment_of(pid):
    pairs = Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0\0", b"").strip(b"\0").decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def files_of(pid):
    return {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def stat_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def kernels_opinion(pid):
    status = status_of(pid)
    return {
        "uids": set(status["Uid"]),
        "gids": set(status["Gid"]),
        "groups": {int(group) for group in status["Groups"]},
        "capabilities": {int(status[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
        "umask": status["Umask"],
    }


def nothing_but(user):
    return {
        "uids": {str(user.pw_uid)},
        "gids": {str(user.pw_gid)},
        "groups": set(os.getgrouplist(user.pw_name, user.pw_gid)),
        "capabilities": {0},
        "umask": ["0027"],
    }


@pytest.fixture
def burdened():
    """How root may call: with an open secret file, root's groups, capabilities to inherit, and any umask."""
    secret = os.open("/etc/shadow", os.O_RDONLY)
    yield {
        "environment": CALLERS,
        "pass_fds": [secret],
        "umask": 0,
        "before": ["setpriv", "--groups=0,4,27", "--inh-caps=+sys_admin,+dac_override"],
    }
    os.close(secret)


@pytest.fixture(params=["start", "run"])
def burdened_daemon(request, cloned, burdened):
    """The same daemon in the background and in the foreground; its pid."""
    cloned.add_witness()
    cloned.add_command("look", "cat /proc/self/status >&2; sleep 60")
    if request.param == "start":
        cloned.control("start", **burdened)
    else:
        cloned.spawn("run", **burdened)
        pidfile = cloned.users_dir / "taskserver.pid"
        eventually(lambda: pidfile.exists() and "state ready" in pidfile.read_text(), seconds=60)
    yield cloned.pid
    cloned.control("stop", "--now")


def test_the_daemon_is_its_user_alone(cloned, somebody, burdened_daemon):
    pid = burdened_daemon

    assert kernels_opinion(pid) == nothing_but(somebody)
    assert Path(f"/proc/{pid}/cwd").readlink() == cloned.home
    streams = {0, 1, 2} if stat_of(pid)[3] != str(pid) else set()  # in the foreground they are the caller's

    def foreign():
        return {
            number: target
            for number, target in files_of(pid).items()
            if not OWN_FILES.fullmatch(target) and number not in streams
        }

    eventually(lambda: not foreign(), what="only files of its own are open")  # a folder is, for a moment, at times
    assert files_of(pid)[0] == "/dev/null"
    assert stat_of(pid)[4] == "0", "no terminal"
    assert Path(f"/proc/{pid}/mem").stat().st_uid == 0, "it can be neither traced nor dumped"


def test_nothing_of_roots_environment_can_be_found_in_it(cloned, burdened_daemon):
    told = environment_of(burdened_daemon)

    assert set(told) <= {"PATH", "LC_TIME", "ACCEPTANCE_FOLDER", "HOME", "USER", "LOGNAME", "SHELL"}
    assert b"canary" not in whole_memory(burdened_daemon)


def whole_memory(pid):
    """Everything that the process could read, once more read by root."""
    found = b""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if rights.startswith("rw"):
                first, last = (int(end, 16) for end in span.split("-"))
                memory.seek(first)
                found += memory.read(last - first)
    return found


def test_a_task_sees_what_is_meant_for_it(cloned, somebody, burdened_daemon):
    job = cloned.add("witness")
    assert cloned.wait(job) == ["finished"]

    seen = json.loads(cloned.job(job)["result"])
    seen["environment"].pop("LC_CTYPE", None)  # Python's own, where the locale is C
    assert seen["environment"] == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": somebody.pw_dir,
        "USER": somebody.pw_name,
        "LOGNAME": somebody.pw_name,
        "SHELL": somebody.pw_shell,
        "LC_TIME": "C",
        "ACCEPTANCE_FOLDER": str(cloned.folder),
    }
    assert (seen["initially"], seen["memory"]) == ("PermissionError", "PermissionError")
    assert seen["shadow"] == "PermissionError"


def test_nor_is_anything_left_in_launcher_and_commands(cloned, somebody, burdened_daemon):
    job = cloned.add("look")
    eventually(lambda: cloned.is_running(job))
    command = eventually(lambda: next(iter(children(launcher_of(burdened_daemon))), None))
    eventually(lambda: stat_of(command)[3] == str(command), what="a session of its own")

    for pid in (launcher_of(burdened_daemon), command):
        assert kernels_opinion(pid) == nothing_but(somebody)
        assert "canary" not in str(environment_of(pid))
        assert stat_of(pid)[3] == str(pid), "a session of its own"
        assert stat_of(pid)[4] == "0", "no terminal"
    eventually(lambda: set(files_of(command)) == {0, 1, 2}, what="it has become the command")
    assert Path(f"/proc/{launcher_of(burdened_daemon)}/mem").stat().st_uid == 0
    assert set(environment_of(command)) == {
        *("PATH", "HOME", "TASKSERVER_JOB_ID", "TASKSERVER_RUN_ID", "TASKSERVER_CLIENT", "TASKSERVER_LOGIN"),
        *("TASKSERVER_LAUNCHER", "PWD"),
    } & set(environment_of(command))


def test_nor_in_the_console(cloned, somebody, burdened):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cloned.configure(console={"enabled": True, "port": port})

    told = cloned.control("start", **burdened)
    child = cloned.status()["console"]["pid"]

    assert "/first-login?link=" in told.stderr
    assert kernels_opinion(child) == nothing_but(somebody)
    assert set(environment_of(child)) <= {
        *("PATH", "LC_TIME", "ACCEPTANCE_FOLDER", "HOME", "USER", "LOGNAME", "SHELL"),
        *("PYTHONPATH", "LC_CTYPE"),  # the package's place; Python's own, where the locale is C
    }
    assert b"canary" not in whole_memory(child)
    for number, target in files_of(child).items():
        assert OWN_FILES.fullmatch(target) and not target.endswith((".pid", ".lock")), (number, target)
    assert stat_of(child)[3] == str(child), "a session of its own"
    assert stat_of(child)[4] == "0", "no terminal"
    assert Path(f"/proc/{child}/mem").stat().st_uid == 0, "it can be neither traced nor dumped"
    assert {path.owner() for path in cloned.users_dir.iterdir()} == {somebody.pw_name}


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] if pid else []


def launcher_of(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    found = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return next((child for child in found if b"launcher.py" in Path(f"/proc/{child}/cmdline").read_bytes()), None)


ATTACK = """
import ctypes, sys
for name in ("environ", "mem", "maps"):
    try:
        open(f"/proc/{sys.argv[1]}/{name}").close()
    except PermissionError:
        print("closed")
print(ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0))
"""


def test_a_process_of_the_same_user_can_neither_read_nor_trace_the_daemon(cloned, somebody):
    pid = cloned.start()

    attacker = [*become(somebody), "/usr/bin/python3", "-c", ATTACK, str(pid)]
    done = subprocess.run(attacker, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["closed", "closed", "closed", "-1"]


def test_what_the_configuration_lets_through_passes_and_nothing_else(cloned):
    cloned.add_witness()
    cloned.configure(pass_environment=["MYAPP_*", "EXACT"])

    cloned.control("start", environment={"MYAPP_COLOUR": "red", "EXACT": "yes", "EXACTLY": "no", "MYAP": "no"})
    job = cloned.add("witness")
    assert cloned.wait(job) == ["finished"]

    seen = json.loads(cloned.job(job)["result"])["environment"]
    assert seen["MYAPP_COLOUR"] == "red"
    assert seen["EXACT"] == "yes"
    assert not {"EXACTLY", "MYAP", "ACCEPTANCE_FOLDER"} & set(seen)


CALLS = (
    ("check",),
    ("start",),
    ("restart",),
    ("try-restart",),
    ("reload",),
    ("job", "add", "witness"),
    ("task", "list"),
    ("task", "show", "witness"),
    ("stop",),
    ("task", "list"),
    ("job", "add", "witness"),
    ("--run-job=1", "start"),
    ("check",),
)


def test_a_task_module_is_imported_by_its_user_whatever_root_calls(cloned, somebody):
    euids = cloned.add_witness()

    counts = []
    for words in CALLS:
        cloned.control(*words)
        counts.append(len(euids.read_text().split()))

    assert set(euids.read_text().split()) == {str(somebody.pw_uid)}
    assert counts[0] > 0, "check imports it"
    assert counts[-2] > counts[-3], "and --run-job"


@pytest.mark.parametrize("words", [*CALLS[:4], ("run",), ("job", "add", "witness"), ("--run-job=1", "start")])
def test_without_leave_root_runs_no_task_and_imports_none(cloned, words):
    euids = cloned.add_witness()
    cloned.configure(run_as=None)
    cloned.control("db", "upgrade")

    done = cloned.control(*words, code=None)

    assert not euids.exists()
    if words != ("try-restart",):  # which has nothing to do
        assert done.returncode == 6
        assert "allow_root" in done.stderr
