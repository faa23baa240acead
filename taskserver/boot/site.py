"""What is to become a service: one installation with one configuration, as a plain value. Knows no init system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

STANDARD_NAME = "task-server"


@dataclass(frozen=True, slots=True)
class Site:
    """One service, as the configuration in force and the caller's options have it. All paths are absolute."""

    name: str
    """The service's name: that of its unit or init script."""
    installation: Path
    program: Path
    """What starts the control program, as `scripts/task_server.py`."""
    config: Path | None
    """The configuration file to name with -c; None where the program finds it by itself."""
    user: str
    group: str
    users_dir: Path
    log_file: Path | None
    """None: the log goes to syslog."""
    drain: timedelta
    reads: tuple[Path, ...] = ()
    """What else the daemon must be able to read: python_path, the interpreter."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The control program and the options that choose this service's configuration."""
        return (str(self.program), *(("-c", str(self.config)) if self.config else ()))

    @property
    def stop_seconds(self) -> int:
        """How long a service manager must wait for the end: the drain, what comes after it, and some reserve."""
        return max(90, round(self.drain.total_seconds()) + 60)
