"""A scratch installation's daemon, driven from outside by the control program, as an administrator would."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"
TASK_MODULES = Path(__file__).with_name("task_modules")
PATIENCE_SECONDS = 60
"""How long one call of the control program may take before the test fails instead of hanging."""

LIVE = ("waiting", "running", "stopping")


class Rows:
    """The job database as any other program sees it: the plain driver, nothing of ours in between."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")

    def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with self._open() as connection:
            cursor = connection.execute(self._style(statement), values)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        connection.close()
        return rows

    def execute(self, statement: str, *values: Any) -> None:
        with self._open() as connection:
            connection.execute(self._style(statement), values)
        connection.close()

    def value(self, statement: str, *values: Any) -> Any:
        return next(iter(self.query(statement, *values)[0].values()))

    def _open(self) -> Any:
        if self.is_sqlite:
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)
        import psycopg

        return psycopg.connect(self.url.replace("postgresql+psycopg", "postgresql"))

    def _style(self, statement: str) -> str:
        return statement if self.is_sqlite else statement.replace("?", "%s")


class TaskServer:
    """One configuration file, one users directory, one database, and at most one daemon."""

    def __init__(self, folder: Path, database: str | None = None, **settings: Any) -> None:
        self.folder = folder
        self.users_dir = folder / "users"
        self.config_file = folder / "taskserver.toml"
        self.rows = Rows(database or f"sqlite:///{self.users_dir}/taskserver.sqlite")
        self.settings: dict[str, Any] = {
            "users_dir": str(self.users_dir),
            "database": self.rows.url,
            "allow_root": True,
            "node_id": "here",
            "time_zone": "UTC",
            "max_parallel": 4,
            "poll_interval": 0.1,
            "modules": ["acceptance_tasks"],
            "python_path": [str(TASK_MODULES)],
        }
        self.commands: dict[str, dict[str, Any]] = {}
        self._spawned: list[subprocess.Popen[str]] = []
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the configuration, these settings changed. None leaves a key out."""
        self.settings |= settings
        chosen = {key: value for key, value in self.settings.items() if value is not None}
        lines = ["[task_server]", *(f"{key} = {_toml(value)}" for key, value in chosen.items())]
        for name, command in self.commands.items():
            lines += [f"[tasks.{_toml(name)}]", *(f"{key} = {_toml(value)}" for key, value in command.items())]
        self.config_file.write_text("\n".join(lines) + "\n")
        self.config_file.chmod(0o644)

    def add_command(self, name: str, shell: str, **settings: Any) -> None:
        """A command task that runs these lines of shell; its arguments are for `sh -c`."""
        self.commands[name] = {"command": ["/bin/sh", "-c", shell], **settings}
        self.configure()

    # --- the control program

    def spawn(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        script = options.pop("script", SCRIPT)
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, str(script), "-c", str(self.config_file), *arguments],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            | {"env": os.environ | {"LC_ALL": "C", "TZ": "UTC", "ACCEPTANCE_FOLDER": str(self.folder)}}
            | options,
        )
        self._spawned.append(process)
        return process

    def control(self, *arguments: str, code: int | None = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """One call of the control program. It must end with `code` (None: any)."""
        process = self.spawn(*arguments, **options)
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end: {out}{err}{self.log}") from None
        assert "Traceback (most recent" not in err, err
        assert code in (None, process.returncode), f"{arguments}: {process.returncode}, {out}{err}{self.log}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        return json.loads(self.control(*arguments, "--json", code=code).stdout)

    def start(self) -> int:
        """Start the daemon; its pid."""
        self.control("start")
        return self.pid

    def stop(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.control("stop", *options)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("status")
        return found

    def add(self, task: str, *arguments: str) -> int:
        """Queue one job by the control program; its id."""
        return int(self.json("job", "add", task, *arguments)["id"])

    def wait(self, *jobs: int, within: float = 20.0) -> list[str]:
        """The statuses of these jobs, once none of them is on its way any more."""

        def ended() -> list[str]:
            found = [self.job(job)["status"] for job in jobs]
            return [] if set(found) & set(LIVE) else found

        return list(eventually(ended, seconds=within, what=f"jobs {jobs} have ended"))

    # --- what other programs see

    @property
    def pid(self) -> int:
        return int((self.users_dir / "taskserver.pid").read_text().split()[0])

    @property
    def log(self) -> str:
        file = self.users_dir / "taskserver.log"
        return file.read_text() if file.exists() else ""

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send the daemon a signal; the pid it went to. After SIGKILL it is gone when this returns."""
        pid = self.pid
        os.kill(pid, number)
        if number == signal.SIGKILL:
            eventually(lambda: not is_alive(pid))
        return pid

    def insert(self, task: str, **data: Any) -> int:
        """Queue a job as a program in any language does: with one plain INSERT. Its id."""
        self.rows.execute("INSERT INTO jobs (task, data) VALUES (?, ?)", task, json.dumps(data))
        return int(self.rows.value("SELECT max(id) FROM jobs"))

    def job(self, job_id: int) -> dict[str, Any]:
        return self.rows.query("SELECT * FROM jobs WHERE id = ?", job_id)[0]

    def runs(self, job_id: int) -> list[dict[str, Any]]:
        return self.rows.query("SELECT * FROM runs WHERE job_id = ? ORDER BY id", job_id)

    def statuses(self) -> list[str]:
        return [
            row["status"] for row in self.rows.query("SELECT status FROM jobs WHERE type = 'once' ORDER BY id")
        ]

    def is_running(self, job_id: int) -> bool:
        return bool(self.job(job_id)["status"] == "running")

    # --- the end

    def processes(self) -> list[int]:
        """Every process that belongs to this installation: known by its arguments or its environment."""
        return [pid for pid in all_pids() if str(self.folder).encode() in _words_of(pid)]

    def finish(self) -> None:
        """Kill what is left. A process that outlives its daemon is a failure."""
        for pid in self.processes():
            _kill(pid)
        for process in self._spawned:
            with process:
                process.kill()
        left = _gone(self.processes, within=10)
        for pid in left:
            _kill(pid)
        assert not left, f"processes {left} outlived their daemon"


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def all_pids() -> Iterable[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]  # noqa: PTH208


def _words_of(pid: int) -> bytes:
    if not is_alive(pid):
        return b""
    try:
        folder = Path(f"/proc/{pid}")
        return (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
    except OSError:
        return b""


def _gone(found: Callable[[], list[int]], *, within: float) -> list[int]:
    deadline = time.monotonic() + within
    while (left := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
