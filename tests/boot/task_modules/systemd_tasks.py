"""Tasks that try what a sandbox is to forbid, and tasks that take more than they should."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from taskserver import Context, task

SYSCALLS = {"init_module": 175, "ptrace": 101, "unshare": 272, "mount": 165, "clock_settime": 227}
"""Their numbers on x86_64."""

CLONE_NEWUSER = 0x10000000
PTRACE_PEEKUSER = 3


def _call(name: str, *arguments: int) -> str:
    """The system call itself, without a library that might refuse before the kernel is asked.

    The arguments are such that a call which is allowed does no harm, and ends with another error than EPERM.
    """
    result = ctypes.CDLL(None, use_errno=True).syscall(SYSCALLS[name], *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return f"{name} was allowed"


ATTEMPTS: dict[str, Callable[[], object]] = {
    "write /etc": lambda: Path("/etc/planted").write_text("x"),
    "write /usr": lambda: Path("/usr/bin/planted").write_text("x"),
    "write the program": lambda: Path("/opt/taskserver/taskserver/planted.py").write_text("x"),
    "write a unit": lambda: Path("/run/systemd/system/planted.service").write_text("x"),
    "make a control group": lambda: Path("/sys/fs/cgroup/systemd/planted").mkdir(),
    "read /home": lambda: Path("/home/erp/secret").read_text(),
    "read /root": lambda: Path("/root/secret").read_text(),
    "see the others": lambda: Path("/proc/1/environ").read_bytes(),
    "load a module": lambda: _call("init_module", 0, 0, 0),
    "trace a process": lambda: _call("ptrace", PTRACE_PEEKUSER, 0, 0, 0),
    "make a namespace": lambda: _call("unshare", CLONE_NEWUSER),
    "mount": lambda: _call("mount", 0, 0, 0, 0, 0),
    "set the clock": lambda: _call("clock_settime", 0, 0),
    "open a raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "make a set-user-id file": lambda: _own_file().chmod(0o4755),
}


def _own_file() -> Path:
    file = Path(os.environ["STATE_DIRECTORY"]) / "own"
    file.touch()
    return file


@task("trespass")
def trespass(ctx: Context, what: str) -> str:
    return f"nobody stopped it: {ATTEMPTS[what]()!r}"


@task("allowed")
def allowed(ctx: Context) -> str:
    """What a task may well expect to be able to do; an error where it can't."""
    for folder in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY"):
        (Path(os.environ[folder]) / "written").write_text("x")
    Path("/tmp/written").write_text("x")
    own = _own_file()
    own.chmod(0o640)
    os.chown(own, -1, os.getgid())
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM):
        return "all of it"


@task("interrupted")
def interrupted(ctx: Context, trace: str) -> str:
    """Runs until its node dies; the next run ends at once. `trace`: a file, in which each run leaves its mark."""
    with Path(trace).open("a") as file:
        file.write(f"{ctx.job_id}\n")
    while Path(trace).read_text().split().count(str(ctx.job_id)) < 2:
        ctx.check_stop()
        time.sleep(0.05)
    return "the second time"


@task("credential")
def credential(ctx: Context, name: str) -> str:
    return (Path(os.environ["CREDENTIALS_DIRECTORY"]) / name).read_text()


@task("devours", max_crashes=1)
def devours(ctx: Context, megabytes: int) -> None:
    """Takes that much memory of the daemon's, and keeps it."""
    kept = []
    for _ in range(megabytes):
        kept.append(bytearray(os.urandom(1 << 10)) * 1024)
    sys.stderr.write(f"{len(kept)}\n")
    time.sleep(60)
