"""A copy of the tree that belongs to root and that every user can reach, and its daemon of another user."""

from __future__ import annotations

import configparser
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from own_packages import copy_packages
from scratch_server import ROOT, TaskServer

SYSTEM_PYTHON = Path("/usr/bin/python3")


def system(*arguments):
    return subprocess.run([SYSTEM_PYTHON, *arguments], capture_output=True, text=True, check=False)


def install(folder):
    """What the package needs, and the package not: the script takes the one beside it."""
    environment = folder / ".venv"
    made = system("-m", "venv", "--without-pip", str(environment))
    if made.returncode:
        pytest.skip(f"no virtual environment can be made: {made.stderr.strip()}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = environment / "lib" / f"python{version}" / "site-packages"
    if packages.is_dir():
        copy_packages(packages)
        subprocess.run(["chmod", "-R", "a+rX,go-w", packages], check=True)
        return
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = setup["options"]["install_requires"].split() + setup["options.extras_require"]["console"].split()
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", "--quiet", *needed],
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    if done.returncode:
        pytest.skip(f"the packages cannot be installed: {done.stderr.strip()[-200:]}")


class Clone(TaskServer):
    """The daemon of that clone; its control program is called as the init system does."""

    def __init__(self, home, folder, user):
        self.home, self.user = home, pwd.getpwnam(user)
        super().__init__(
            folder,
            run_as=user,
            allow_root=None,
            python_path=[str(home / "modules")],
            pass_environment=["ACCEPTANCE_*"],
        )
        folder.chmod(0o755)

    def spawn(self, *arguments, **options):
        script = self.home / "scripts" / "task_server.py"
        before, more = options.pop("before", []), options.pop("environment", {})
        environment = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin", "ACCEPTANCE_FOLDER": str(self.folder), **more}
        process = subprocess.Popen(
            [*before, str(script), "-c", str(self.config_file), *arguments],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "env": environment,
            }
            | options,
        )
        self._spawned.append(process)
        return process

    def given(self, name):
        """A new folder of the daemon's user."""
        folder = self.folder / name
        folder.mkdir()
        os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        return folder

    def add_witness(self):
        """A task module of the daemon's user that writes down as whom it is imported; the file it writes to."""
        modules, seen = self.given("witnesses"), self.given("seen")
        (modules / "witness.py").write_text(WITNESS.format(seen=seen / "euids"))
        os.chown(modules / "witness.py", self.user.pw_uid, self.user.pw_gid)
        self.configure(
            modules=["acceptance_tasks", "witness"], python_path=[str(self.home / "modules"), str(modules)]
        )
        return seen / "euids"


WITNESS = r"""
import json, os
from pathlib import Path
from taskserver import task

with open("{seen}", "a") as seen:
    seen.write(str(os.geteuid()) + "\n")

def or_error(read):
    try:
        return read()
    except OSError as error:
        return type(error).__name__

@task("witness")
def witness(ctx):
    return json.dumps(dict(
        environment=dict(os.environ),
        initially=or_error(Path("/proc/self/environ").read_text),
        memory=or_error(lambda: open("/proc/self/mem", "rb").close()),
        shadow=or_error(lambda: open("/etc/shadow").close()),
    ))
"""


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def become(user):
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
