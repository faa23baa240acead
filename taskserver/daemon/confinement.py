"""What the kernel alone can take from a process: capabilities, keys, descriptors, its terminal, its core dump.

Used by `identity` when root becomes the daemon's user, and by the daemon itself. Each step is a system call that
Python does not know; one that this kernel lacks leaves things as they were, and `identity` verifies what must not
be left.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path
from types import MappingProxyType

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_JOIN_SESSION_KEYRING = 1
_KEYCTL = MappingProxyType({"x86_64": 250, "aarch64": 219, "riscv64": 219, "armv7l": 311, "i686": 288})
"""The number of keyctl(2), which no library of the system wraps."""

_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_X32 = 0x40000000
_IOCTL = MappingProxyType(
    {
        "x86_64": ((0xC000003E, 16), (0xC000003E, _X32 + 514), (0x40000003, 54)),
        "aarch64": ((0xC00000B7, 29), (0x40000028, 54)),
        "riscv64": ((0xC00000F3, 29),),
    }
)
"""By machine: the kernel's architectures that it runs programs of, and the number of ioctl(2) in each."""

_LOAD, _IS, _RETURN = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
_NUMBER_AT, _ARCHITECTURE_AT, _REQUEST_AT = 0, 4, 24  # in struct seccomp_data
_ALLOWED, _NOT_PERMITTED = 0x7FFF0000, 0x00050001


def shed_capabilities() -> None:
    """Give up every capability, the inheritable ones as well, which a change of the uid leaves alone."""
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    ctypes.CDLL(None).capset(header, bytes(24))


def hide_memory() -> None:
    """Nobody but root may trace this process or dump its core: its memory holds the database's password.

    The kernel then gives its folder in /proc to root. Where /proc shows to users only what is theirs (hidepid,
    systemd's ProtectProc), the daemon's own user could not see any more that it lives: there it stays as it is.
    """
    if not proc_hides_others():
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def proc_hides_others(mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether /proc is mounted with `hidepid` (proc(5)): a number from 1 on, or since Linux 5.8 a word."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return False
    options = ""
    for line in lines:
        before, _, behind = line.partition(" - ")
        if before.split()[4:5] == ["/proc"] and behind.startswith("proc "):
            options = behind.split()[2]  # a later mount lies over an earlier one
    return any(
        option.startswith("hidepid=") and option.removeprefix("hidepid=") not in ("0", "off")
        for option in options.split(",")
    )


def leave_session_keyring() -> None:
    """Take an empty keyring in place of the one that came with the login of whoever called."""
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _JOIN_SESSION_KEYRING, None)


def close_inherited() -> None:
    """Close what the caller left open beyond the standard streams, and read nothing from its terminal."""
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)  # noqa: PTH208 names are numbers
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null > 2:
        os.close(null)


def bar_typing() -> None:
    """From now on neither this process nor a child can put input into a terminal, as if its user had typed it.

    A task that runs in the terminal of root could else give root's shell commands (TIOCSTI). As root only.
    """
    architectures = _IOCTL.get(platform.machine())
    if architectures is None:
        return
    program = _program(architectures)
    instructions = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HP", len(program) // 8, ctypes.addressof(instructions))
    ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_, 0, 0)


def _program(architectures: tuple[tuple[int, int], ...]) -> bytes:
    """For each architecture: is it this one, is it ioctl, is it one of the two requests? Then EPERM."""
    request_at = _REQUEST_AT + (4 if sys.byteorder == "big" else 0)
    blocks = b""
    for architecture, number in architectures:
        blocks += b"".join(
            [
                _instruction(_LOAD, _ARCHITECTURE_AT),
                _instruction(_IS, architecture, no=6),
                _instruction(_LOAD, _NUMBER_AT),
                _instruction(_IS, number, no=4),
                _instruction(_LOAD, request_at),
                _instruction(_IS, _TIOCSTI, yes=1),
                _instruction(_IS, _TIOCLINUX, no=1),
                _instruction(_RETURN, _NOT_PERMITTED),
            ]
        )
    return blocks + _instruction(_RETURN, _ALLOWED)


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)
