"""What the kernel says about a process: the facts that tell it apart from a later one with the same number.

Read by the pidfile and by whoever is about to send a signal. Linux only: everything comes from /proc.
"""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def kernel_boot_id() -> str:
    """The kernel's identifier of this boot; empty where /proc does not show it."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None if there is no such process, or if it is ending.

    Together with the boot id it names one process for ever: a reused pid has another start time.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()  # the name may itself hold blanks and brackets
    if len(after_name) <= 19 or after_name[0] in "ZX":  # killed: its files are closed in a moment
        return None
    return int(after_name[19])


def real_uid(pid: int) -> int | None:
    """The real user id of the process; None if there is no such process."""
    field = status_field(pid, "Uid")
    return int(field.split()[0]) if field else None


def resident_bytes(pid: int) -> int | None:
    """Resident memory of the process in bytes, or None if the kernel does not say."""
    field = status_field(pid, "VmRSS")
    return int(field.split()[0]) * 1024 if field else None


def status_field(pid: int | str, name: str) -> str | None:
    """One line of /proc/PID/status, without its name; None if there is no such process or line."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name + ":")), None)
