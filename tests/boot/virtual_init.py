"""Process 1 of the virtual machine: mounts, starts the task server, and does what the kernel's command line says.

    taskserver=queue    queue jobs for ever, and say each one once it is acknowledged
    taskserver=look     say which jobs are there after the boot, and again when all of them have finished

It speaks on the console, in lines that begin with `vm: `.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

PLACE = "/opt/taskserver"
PYTHON = f"{PLACE}/.venv/bin/python"
CONFIG = "/etc/taskserver.toml"
DATABASE = "/var/users/taskserver.sqlite"
PIDFILE = Path("/var/users/taskserver.pid")


def main() -> None:
    _mount()
    say("booted")
    subprocess.Popen([PYTHON, f"{PLACE}/scripts/task_server.py", "-c", CONFIG, "run"])
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    # The interpreter of the installation has its packages; process 1 is the bare one.
    os.environ["PYTHONPATH"] = PLACE
    code = subprocess.run([PYTHON, "-u", __file__, words["taskserver"]], check=False).returncode
    say(f"ended {code}")
    while True:
        time.sleep(60)


def queue() -> None:
    """Jobs, each in a transaction of its own."""
    from taskserver import connect

    _await_ready()
    with connect(f"sqlite:///{DATABASE}") as server:
        while True:
            say(f"acknowledged {server.enqueue('quick').id}")


def look() -> None:
    say(f"found {' '.join(str(number) for number in _select('SELECT id FROM jobs'))}")
    while _select("SELECT id FROM jobs WHERE status <> 'finished'"):
        time.sleep(0.2)
    say(f"finished {' '.join(str(number) for number in _select('SELECT id FROM jobs'))}")


def _select(statement: str) -> list[int]:
    import sqlite3

    connection = sqlite3.connect(DATABASE, timeout=60)
    try:
        return [row[0] for row in connection.execute(statement)]
    finally:
        connection.close()


def _await_ready() -> None:
    while not (PIDFILE.exists() and "\nstate ready\n" in PIDFILE.read_text()):
        time.sleep(0.1)
    say("ready")


def _mount() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")):
        libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)


def say(text: str) -> None:
    print(f"vm: {text}", flush=True)


if __name__ == "__main__":
    if os.getpid() == 1:
        main()
    else:
        {"queue": queue, "look": look}[sys.argv[1]]()
