"""Defaults that come from the machine: its name, its processor cores, its time zone."""

from __future__ import annotations

import os
from pathlib import Path

_TIMEZONE = Path("/etc/timezone")
_LOCALTIME = Path("/etc/localtime")


def host_name() -> str:
    import socket

    return socket.gethostname() or "localhost"


def cores() -> int:
    """The cores that this process may use: at least 1, at most what `max_parallel` takes."""
    return min(max(1, len(os.sched_getaffinity(0))), 1024)


def time_zone(timezone: Path = _TIMEZONE, localtime: Path = _LOCALTIME) -> str:
    """The machine's IANA time zone; UTC where it has none that is known."""
    for name in (_named_by(timezone), _linked_by(localtime)):
        if name and is_time_zone(name):
            return name
    return "UTC"


def is_time_zone(name: str) -> bool:
    """Whether the time zone database has `name`, exactly so."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _named_by(timezone: Path) -> str | None:
    try:
        return timezone.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _linked_by(localtime: Path) -> str | None:
    target = os.path.realpath(localtime)
    _, found, name = target.partition("/zoneinfo/")
    return name if found else None
