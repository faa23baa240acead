"""What of root's environment goes along to the daemon's user: a short list of names, and nothing else.

Used by `identity` whenever a process of root becomes another user, and by the probe. A caller who is that user
already keeps the environment as it is: a service manager has made it on purpose.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping, MutableMapping
from fnmatch import fnmatchcase
from pathlib import Path

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PASSED = (
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TASKSERVER_*",
    # A service manager's, none of them secret: where to report, and the folders made for the service.
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
)
"""Names, or patterns of names, that pass by themselves. Of PATH passes what is absolute and not in root's home."""


def passed(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The part of `environment` that passes; `more` names what the configuration lets through."""
    patterns = (*PASSED, *more)
    kept = {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    home = environment.get("HOME", "/").rstrip("/") or None
    folders = [
        folder
        for folder in environment.get("PATH", "").split(os.pathsep)
        if folder.startswith("/") and not (home and f"{folder}/".startswith(f"{home}/"))
    ]
    return kept | {"PATH": os.pathsep.join(folders) or DEFAULT_PATH}


def replace(environment: MutableMapping[str, str], wanted: Mapping[str, str]) -> None:
    """Make `environment` hold exactly `wanted`."""
    for name in set(environment) - set(wanted):
        del environment[name]
    environment.update(wanted)


def forget(wanted: Mapping[str, str]) -> None:
    """Make `wanted` this process's environment, and overwrite the block in which the kernel once handed it over.

    Without that, /proc/PID/environ and the process's own memory go on showing what was deleted.
    """
    replace(os.environ, {})
    start, end = _block()
    if start and end > start:
        ctypes.memset(start, 0, end - start)
    replace(os.environ, wanted)


def _block() -> tuple[int, int]:
    """Where the environment lies that this process was started with: fields 50 and 51 of proc_pid_stat(5)."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[47]), int(fields[48])
    except (OSError, ValueError, IndexError):
        return 0, 0
