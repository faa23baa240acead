"""The task server in a guest, as the guest's administrator and other programs see it.

Its user, folders and configuration are made before the first boot; its database is read with the plain driver,
also while the guest is off.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from installation import MODULES, PLACE, ROOT, SCRIPT
from machine import Machine
from waiting import eventually

USER = "taskserver"
HOME = f"/var/lib/{USER}"
USERS_DIR = f"{HOME}/users"
CONFIG = str(PLACE / "etc" / "taskserver.toml")
BOOT_FILES = ROOT / "scripts" / "boot"
SYSTEM_V = BOOT_FILES / "system-v" / "task-server"

ROWS = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
connection.row_factory = sqlite3.Row
with connection:
    print(json.dumps([dict(row) for row in connection.execute(sys.argv[2], json.loads(sys.argv[3]))]))
connection.close()
"""
"""Run in the guest's tree: SQLite resolves links in its path, and those of /proc lead out of it."""


class GuestServer:
    """The installation in /opt/taskserver of one guest."""

    def __init__(self, machine: Machine, **settings: Any) -> None:
        self.machine = machine
        self.config = CONFIG
        self.users_dir = machine.root / USERS_DIR.lstrip("/")
        machine.chroot("useradd", "--system", "--home-dir", HOME, "--create-home", USER)
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the configuration: these settings, and what every test here needs."""
        known = {
            "users_dir": USERS_DIR,
            "modules": ["boot_tasks"],
            "python_path": [str(MODULES)],
            "node_id": "guest",
            "poll_interval": 0.2,
            "max_parallel": 4,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in (known | settings).items()]
        self.write(self.config, "\n".join(["[task_server]", *lines, ""]))

    def add_command(self, name: str, shell: str) -> None:
        """A command task that runs this line of shell, $0 being the users directory."""
        text = (self.machine.root / self.config.lstrip("/")).read_text()
        command = json.dumps(["/bin/sh", "-c", shell.replace("{", "{{").replace("}", "}}"), USERS_DIR])
        self.write(self.config, f"{text}\n[tasks.{name}]\ncommand = {command}\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the guest, from outside."""
        file = self.machine.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def move_config(self, path: str) -> None:
        """Keep the configuration in another place of the guest."""
        root = self.machine.root
        (root / self.config.lstrip("/")).rename(root / path.lstrip("/"))
        self.config = path

    def control(self, *arguments: str) -> str:
        """What the control program says, called by root in the guest."""
        return self.machine.output(str(SCRIPT), "-c", self.config, *arguments)

    def add(self, task: str, *arguments: str) -> int:
        """Queue a job; its id."""
        return int(json.loads(self.control("job", "add", task, *arguments, "--json"))["id"])

    def schedule(self, name: str, task: str, *arguments: str) -> int:
        """Add a cron entry; its id."""
        return int(json.loads(self.control("schedule", "add", name, task, *arguments, "--json"))["id"])

    @property
    def pid(self) -> int:
        """The daemon's number in the guest, as its pidfile has it."""
        return int((self.users_dir / "taskserver.pid").read_text().split()[0])

    def daemons(self) -> list[int]:
        """Every process of the daemon's user, in the guest's numbers."""
        done = self.machine.run("pgrep", "-u", USER, code=None)
        return [int(word) for word in done.stdout.split()]

    @property
    def log(self) -> str:
        """What a daemon in the background has logged."""
        return (self.users_dir / "taskserver.log").read_text()

    def count(self, path: str, words: str) -> int:
        """How often a file of the guest has these words."""
        return (self.machine.root / path.lstrip("/")).read_text().count(words)

    def says(self, path: str, words: str) -> bool:
        return self.count(path, words) > 0

    def spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a command in the guest and go on."""
        return subprocess.Popen(self.machine.command(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> int:
        """kill -9; the number of the dead daemon, once it is gone."""
        pid = self.pid
        self.machine.run("kill", "-KILL", str(pid))
        eventually(lambda: self.machine.run("kill", "-0", str(pid), code=None).returncode != 0, what="its end")
        return pid

    def is_ready(self) -> bool:
        """Whether it says of itself that it takes work."""
        done = self.machine.run(str(SCRIPT), "-c", self.config, "status", "--json", code=None)
        said = json.loads(done.stdout) if done.returncode == 0 else {}
        return said.get("state") == "running" and bool(said.get("answering"))

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """What a statement finds in, or changes of, the job database."""
        python = str(PLACE / ".venv" / "bin" / "python")
        said = self.machine.chroot(
            python, "-c", ROWS, f"{USERS_DIR}/taskserver.sqlite", statement, json.dumps(values)
        )
        return list(json.loads(said))

    def job(self, number: int) -> dict[str, Any]:
        return self.rows("SELECT * FROM jobs WHERE id = ?", number)[0]

    def await_status(self, number: int, status: str) -> dict[str, Any]:
        """The job's row, once it has this status."""
        eventually(lambda: self.job(number)["status"] == status, what=f"job {number} is {status}")
        return self.job(number)
