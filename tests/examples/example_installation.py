"""An installation of the test's own with the examples in it, used through its control program as a user would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import eventually

from taskserver.daemon import pidfile

ROOT = Path(__file__).resolve().parents[2]


class Installation:
    """A copy of this one, and the control program called in it with the configuration of one example."""

    def __init__(self, folder: Path, example: str) -> None:
        self.folder = folder
        self.example = folder / "examples" / example
        self.users_dir = self.example / "users"
        shutil.copytree(ROOT / "taskserver", folder / "taskserver")
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        shutil.copytree(
            ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("users", "data", "__pycache__")
        )
        shutil.copy(ROOT / "setup.cfg", folder)
        (folder / ".venv").symlink_to(sys.prefix)
        self.environment = {
            **os.environ,
            "TASKSERVER_CONFIG": str(self.example / "taskserver.toml"),
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "en",
        }

    def __call__(self, *arguments: str, code: int | None = 0) -> str:
        """Calls the control program; its exit code has to be `code`, None: any. Answers what it prints."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=60)
        assert code is None or process.returncode == code, f"{arguments}: {process.returncode}\n{out}{err}"
        assert "Traceback" not in err
        return out if code == 0 else out + err

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Calls the control program and does not wait for it."""
        return subprocess.Popen(
            [sys.executable, str(self.folder / "scripts" / "task_server.py"), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))

    def start(self) -> None:
        self("start", "--allow-root")

    def add(self, *arguments: str) -> int:
        """Queues a job; its id."""
        return int(self.json("job", "add", *arguments)["id"])

    def wait(self, job_id: int, *, code: int = 0) -> str:
        return self("job", "wait", str(job_id), "--timeout", "40", code=code)

    def pid(self) -> int | None:
        """The daemon's, None while there is none."""
        reading = pidfile.read(self.users_dir)
        return reading.record.pid if reading.state is pidfile.State.RUNNING and reading.record else None

    def kill(self) -> None:
        """SIGKILL for the daemon; returns when it is gone."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: self.pid() is None)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks the job database."""
        return query(self.users_dir / "taskserver.sqlite", statement, *values)


def query(file: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Asks a database that others may be writing to."""
    connection = sqlite3.connect(file, timeout=30)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()
