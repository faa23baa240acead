"""The task server as a service of systemd in a guest: its unit, its configuration, its database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

from installation import MODULES, PLACE, ROOT, SCRIPT
from machine import Machine
from waiting import eventually

USER = "taskserver"
HOME = "/var/lib/taskserver"
CONFIG = "/opt/taskserver/etc/taskserver.toml"
UNITS = ROOT / "scripts" / "boot" / "systemd"

SQL = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
connection.row_factory = sqlite3.Row
with connection:
    rows = [dict(row) for row in connection.execute(sys.argv[2], json.loads(sys.argv[3]))]
connection.close()
print(json.dumps(rows))
"""


def prepare(machine: Machine) -> None:
    """What an administrator does before the service is started for the first time."""
    machine.chroot("useradd", "--system", "--user-group", "--home-dir", HOME, "--shell", "/usr/sbin/nologin", USER)
    for unit in UNITS.iterdir():
        shutil.copy(unit, machine.root / "etc" / "systemd" / "system")


class Service:
    """One unit of a booted guest, and the configuration and users directory that belong to it."""

    def __init__(
        self, machine: Machine, unit: str = "task-server.service", *, config: str = CONFIG, users_dir: str = HOME
    ) -> None:
        self.machine = machine
        self.unit = unit
        self.config = config
        self.users_dir = users_dir
        self._since = ""

    def reset(self) -> None:
        """As after a fresh installation, but for the jobs of earlier tests: those are gone."""
        self.machine.run("systemctl", "stop", self.unit, code=None)
        self.machine.run("sh", "-c", f"rm -rf {HOME}/* /opt/taskserver/users /etc/credstore/*")
        self.configure()
        self.drop_in()
        self.machine.run("systemctl", "reset-failed", self.unit, code=None)
        self._since = self.machine.output("sh", "-c", "sleep 0.001; date '+%F %T.%6N'")

    def configure(self, section: str = "", **settings: Any) -> None:
        """Write the configuration: what every test needs and these settings; None leaves one out."""
        known = {
            "users_dir": self.users_dir,
            "run_as": USER,
            "modules": ["boot_tasks", "systemd_tasks"],
            "python_path": [str(MODULES)],
            "poll_interval": 0.2,
            "max_parallel": 2,
        }
        chosen = {key: value for key, value in (known | settings).items() if value is not None}
        lines = [f"{key} = {json.dumps(value)}" for key, value in chosen.items()]
        self.write(self.config, "\n".join(["[task_server]", *lines, section, ""]))

    def drop_in(self, *lines: str) -> None:
        """The unit's settings changed as `systemctl edit` does it; without lines as they were."""
        folder = self.machine.root / "etc" / "systemd" / "system" / f"{self.unit}.d"
        if lines:
            self.write(f"/etc/systemd/system/{self.unit}.d/test.conf", "\n".join([*lines, ""]))
        elif folder.exists():
            shutil.rmtree(folder)
        self.machine.run("systemctl", "daemon-reload")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.machine.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    # --- what systemd says

    def start(self) -> None:
        self.machine.run("systemctl", "start", self.unit)

    def stop(self) -> None:
        self.machine.run("systemctl", "stop", self.unit)

    def refuses_to_start(self) -> None:
        self.machine.run("systemctl", "start", self.unit, code=1)

    def show(self, name: str) -> str:
        return self.machine.output("systemctl", "show", "--value", "--property", name, self.unit)

    def shows(self, **wanted: str) -> bool:
        """Whether all these properties of the unit have these values."""
        said = self.machine.output("systemctl", "show", "--property", ",".join(wanted), self.unit)
        return dict(line.partition("=")[::2] for line in said.splitlines()) == wanted

    def until(self, **wanted: str) -> None:
        """Wait until all these properties of the unit have these values."""
        self.eventually(lambda: self.shows(**wanted), what=str(wanted))

    def eventually(self, condition: Callable[[], Any], *, what: str) -> Any:
        """The first true value of `condition`, each look at which starts processes in the guest."""
        try:
            return eventually(condition, what=what, seconds=60, pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.status!r}\n{self.journal}") from None

    @property
    def status(self) -> str:
        return self.show("StatusText")

    @property
    def pid(self) -> str:
        return self.show("MainPID")

    @property
    def journal(self) -> str:
        """What the unit and systemd about it have said since the last reset."""
        return self.machine.output(
            *("journalctl", "--no-pager", "--output", "cat", "--since", self._since, "--unit", self.unit)
        )

    @property
    def uptime(self) -> float:
        """Seconds on the clock that never jumps, as the guest sees it."""
        return float(self.machine.output("cat", "/proc/uptime").split()[0])

    # --- what the control program and the database say

    def control(self, *arguments: str) -> str:
        """The control program, called by root from a shell."""
        return self.machine.output(str(SCRIPT), "-c", self.config, *arguments)

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """A statement of another program, with the plain driver, as the database's owner."""
        python, file = str(PLACE / ".venv/bin/python"), f"{self.users_dir}/taskserver.sqlite"
        owner = self.machine.output("stat", "--format=%U", file)
        said = self.machine.output(
            "runuser", "-u", owner, "--", python, "-c", SQL, file, statement, json.dumps(values)
        )
        rows: list[dict[str, Any]] = json.loads(said)
        return rows

    def results(self, task: str, argument: str) -> dict[str, str]:
        """What became of the jobs of a task, by the value of an argument: their error, else their result."""
        rows = self.sql(
            "SELECT json_extract(data, ?) AS argument, coalesce(error, result) AS said FROM jobs WHERE task = ? "
            "AND status IN ('finished', 'failed')",
            f"$.{argument}",
            task,
        )
        return {row["argument"]: row["said"] for row in rows}

    def add(self, task: str, **data: Any) -> int:
        """Queue a job with a plain INSERT; its id."""
        rows = self.sql("INSERT INTO jobs (task, data) VALUES (?, ?) RETURNING id", task, json.dumps(data))
        return int(rows[0]["id"])

    def job(self, job_id: int) -> dict[str, Any]:
        return self.sql("SELECT * FROM jobs WHERE id = ?", job_id)[0]

    def await_job(self, job_id: int, status: str) -> dict[str, Any]:
        self.eventually(lambda: self.job(job_id)["status"] == status, what=f"job {job_id} is {status}")
        return self.job(job_id)
