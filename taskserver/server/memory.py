"""How much memory the daemon uses, and the one warning when that is more than it may. Called by the server."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from taskserver.config import Settings


class MemoryWatch:
    """Warns once for each limit that is passed."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._warned: set[str] = set()

    def look(self, settings: Settings) -> None:
        rss, vsz = used_memory()
        for name, used, limit in (
            ("memory_limit_rss", rss, settings.memory_limit_rss),
            ("memory_limit_vsz", vsz, settings.memory_limit_vsz),
        ):
            if limit and used > limit and name not in self._warned:
                self._warned.add(name)
                self._log.warning(
                    "the daemon uses %d MB, above %s of %d MB; a restart gives it back",
                    used >> 20,
                    name,
                    limit >> 20,
                )


def used_memory() -> tuple[int, int]:
    """Resident and virtual memory of this process in bytes, from /proc; zeros where there is no /proc."""
    try:
        vsz, rss = Path("/proc/self/statm").read_text().split()[:2]
    except OSError:
        return 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    return int(rss) * page, int(vsz) * page
