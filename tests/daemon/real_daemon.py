"""A folder with a fake daemon that is started for real, and patience with a bound."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from taskserver.daemon import control, pidfile
from taskserver.daemon.pidfile import State

ROOT = Path(__file__).resolve().parents[2]
FAKE_DAEMON = Path(__file__).with_name("fake_daemon.py")
SCRIPT = ROOT / "scripts" / "task_server.py"


class Daemon:
    """One folder of a fake daemon, and what one does with it from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.users_dir = folder / "users"
        self.users_dir.mkdir(mode=0o750)
        self.configure()

    def configure(self, **settings: Any) -> None:
        (self.folder / "settings.json").write_text(json.dumps(settings))

    def spawn(self, verb: str = "start", *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, str(FAKE_DAEMON), verb, str(self.folder), *arguments],
            env=environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )

    def start(self, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.spawn(**options)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The real control program on this folder."""
        return subprocess.run(
            [sys.executable, str(SCRIPT), "--users-dir", str(self.users_dir), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def release(self) -> None:
        (self.folder / "released").touch()

    def events(self) -> list[str]:
        path = self.folder / "events"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> str:
        return (self.users_dir / "taskserver.log").read_text()

    @property
    def state(self) -> State:
        return pidfile.read(self.users_dir).state

    @property
    def pid(self) -> int:
        record = pidfile.read(self.users_dir).record
        assert record is not None
        return record.pid

    def status(self) -> dict[str, Any] | None:
        return control.ask_status(self.users_dir, timeout=5)

    def kill(self) -> None:
        reading = pidfile.read(self.users_dir)
        if reading.state is State.RUNNING and reading.record is not None:
            os.kill(reading.record.pid, signal.SIGKILL)
