"""What the kernel takes from a process: shown by what it can't do any more."""

from __future__ import annotations

import os
import platform
import pty
import subprocess
import sys

import pytest
from real_daemon import ROOT

from taskserver.daemon import confinement

TYPING = """
import fcntl, os, struct, sys, termios
from taskserver.daemon import confinement
print("first", fcntl.ioctl(0, termios.TIOCSTI, b"x") and "typed", flush=True)
confinement.bar_typing()
os.setresuid(65534, 65534, 65534)
def attempt(who):
    for name, request in (("TIOCSTI", termios.TIOCSTI), ("TIOCLINUX", 0x541C)):
        try:
            fcntl.ioctl(0, request, b"x")
            print(who, name, "done", flush=True)
        except OSError as error:
            print(who, name, error.errno, flush=True)
attempt("itself")
if os.fork() == 0:
    attempt("its child")
    os._exit(0)
os.wait()
print("attributes", len(termios.tcgetattr(0)), "size", len(fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))))
"""


def in_a_terminal(program: str) -> str:
    """What a program prints whose controlling terminal is a new one."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(ROOT)})
    printed = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: the other end is closed
            break
        if not piece:
            break
        printed += piece
    os.close(terminal)
    os.waitpid(child, 0)
    return printed.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64", "riscv64"), reason="no filter for this machine"
)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_task_in_roots_terminal_cannot_type_there():
    printed = in_a_terminal(TYPING)

    assert "first typed" in printed or "Errno 5" in printed, printed  # 5: a kernel that has done away with it
    if "first typed" in printed:
        for who in ("itself", "its child"):
            assert f"{who} TIOCSTI 1" in printed
            assert f"{who} TIOCLINUX 1" in printed
        assert "attributes 7 size 8" in printed, "everything else that a terminal can do stays"


def run(program: str, **options) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    return done.stdout


def test_nothing_of_the_caller_stays_open():
    reader, writer = os.pipe()
    program = (
        "import os, sys\n"
        "from taskserver.daemon import confinement\n"
        "confinement.close_inherited()\n"
        "print(sorted(os.listdir('/proc/self/fd')), os.readlink('/proc/self/fd/0'))\n"
    )

    printed = run(program, pass_fds=[reader, writer], stdin=reader)
    os.close(reader)
    os.close(writer)

    assert printed.strip() == "['0', '1', '2', '3'] /dev/null"  # 3: the look itself


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_capabilities_go_with_the_inheritable_ones():
    program = (
        "from taskserver.daemon import confinement\n"
        "confinement.shed_capabilities()\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')][:3])\n"
    )
    before = ["setpriv", "--inh-caps=+sys_admin", sys.executable, "-c", program]

    done = subprocess.run(
        before, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(["0" * 16] * 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_memory_that_is_hidden_belongs_to_root_in_proc():
    program = (
        "import os\n"
        "from taskserver.daemon import confinement\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "confinement.hide_memory()\n"
        "print(os.stat('/proc/self/mem').st_uid)\n"
        "try: open('/proc/self/environ')\n"
        "except PermissionError: print('closed')\n"
    )

    assert run(program).split() == ["0", "closed"]


@pytest.mark.parametrize(
    ("options", "hides"),
    [
        ("rw", False),
        ("rw,hidepid=0", False),
        ("rw,hidepid=off", False),
        ("rw,hidepid=2", True),
        ("rw,hidepid=invisible,gid=4", True),
        ("rw,hidepid=ptraceable", True),
    ],
)
def test_where_proc_hides_what_is_not_ones_own_is_known(tmp_path, options, hides):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"23 22 0:21 / /proc rw,nosuid shared:2 - proc proc {options}\n"
        "24 23 0:22 / /proc/sys ro shared:3 - proc proc rw\n"
    )

    assert confinement.proc_hides_others(mounts) is hides


@pytest.mark.skipif(not os.path.exists("/proc/keys"), reason="the kernel has no keyrings")  # noqa: PTH110
def test_the_keyring_of_the_session_is_another():
    program = (
        "import ctypes, platform\n"
        "from taskserver.daemon import confinement\n"
        "number = confinement._KEYCTL[platform.machine()]\n"
        "of_session = lambda: ctypes.CDLL(None).syscall(number, 0, -3, 1)\n"  # KEYCTL_GET_KEYRING_ID
        "confinement.leave_session_keyring()\n"
        "first = of_session()\n"
        "confinement.leave_session_keyring()\n"
        "print(first > 0, of_session() not in (first, -1))\n"
    )

    assert run(program).split() == ["True", "True"]
