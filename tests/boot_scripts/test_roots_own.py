"""The shell part of the control script, called by root: what others can change is not executed, nor looked up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "task_server.py"
STRANGER = 4711

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# A Python that writes down that it was called, and ends the call.
CANARY = """#!/bin/sh
echo "$0 $*" >>'{marker}'
exit 7
"""


class Clone:
    """A folder with the control script, a package and a virtual environment, none of which does anything."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.marker = folder / "clone", folder / "executed"
        self.python = self.folder / ".venv" / "bin" / "python"
        self.script = self.folder / "scripts" / "task_server.py"
        for part in ("scripts", "taskserver/cli", ".venv/bin", ".venv/lib/site-packages"):
            (self.folder / part).mkdir(parents=True)
        shutil.copy(SCRIPT, self.script)
        self.python.write_text(CANARY.format(marker=self.marker))
        self.python.chmod(0o755)
        for name in ("taskserver/__init__.py", "taskserver/cli/__init__.py", ".venv/lib/site-packages/evil.pth"):
            (self.folder / name).write_text("")
        subprocess.run(["chmod", "-R", "go-w", self.folder], check=True)

    def call(self, action: str = "status", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.script, action],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
            cwd="/",
            timeout=60,
            check=False,
        )

    def executed(self) -> list[str]:
        return self.marker.read_text().splitlines() if self.marker.exists() else []


@pytest.fixture
def clone() -> Clone:
    with tempfile.TemporaryDirectory(prefix="taskserver roots") as name:
        yield Clone(Path(name))


def test_what_is_roots_alone_is_executed(clone):
    done = clone.call()

    assert "root does not run" not in done.stderr
    assert any(line.startswith(str(clone.python)) for line in clone.executed())


PLACES = (
    ".venv",
    ".venv/bin",
    ".venv/bin/python",
    ".venv/lib/site-packages/evil.pth",
    "taskserver",
    "taskserver/cli/__init__.py",
    "scripts",
    "scripts/task_server.py",
    ".",
)
WAYS = {
    "another's": lambda place: os.chown(place, STRANGER, STRANGER),
    "everybody's": lambda place: place.chmod(place.stat().st_mode | 0o002),
    "a group's": lambda place: (os.chown(place, 0, 65534), place.chmod(place.stat().st_mode | 0o020)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", PLACES)
def test_what_others_can_change_is_not_executed_and_the_cure_is_told(clone, place, way):
    WAYS[way](clone.folder / place)

    done = clone.call()

    assert (done.returncode, clone.executed()) == (4, [])
    assert str(clone.folder / place) in done.stderr
    cure = re.search(r"mend it with: (.*)", done.stderr)[1]
    subprocess.run(["sh", "-c", cure], check=True)
    assert "root does not run" not in clone.call().stderr
    assert clone.executed()


def test_the_user_whose_it_is_may_call_it(clone):
    clone.folder.parent.chmod(0o755)
    for place in (clone.folder, *clone.folder.rglob("*")):
        os.chown(place, 65534, 65534)

    refused = clone.call()
    told = re.search(r"call this as nobody: (.*)", refused.stderr)[1]

    assert refused.returncode == 4
    assert told == f"runuser -u nobody -- {clone.script}"
    marker = clone.folder / "executed"
    clone.python.write_text(CANARY.format(marker=marker))
    subprocess.run([clone.script, "status"], user="nobody", group=65534, extra_groups=[], cwd="/", check=False)
    assert marker.exists()


def test_a_group_that_nobody_else_is_in_may_write(clone):
    lonely = next(gid for gid in range(60000, 61000) if _is_unknown(gid))
    subprocess.run(["chgrp", "-R", str(lonely), clone.folder], check=True)
    subprocess.run(["chmod", "-R", "g+w", clone.folder], check=True)

    assert clone.call().returncode == 4, "a group that nobody knows may be anybody's"

    subprocess.run(["chgrp", "-R", "root", clone.folder], check=True)
    clone.call()
    assert clone.executed()


def _is_unknown(gid: int) -> bool:
    return subprocess.run(["getent", "group", str(gid)], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("step", ["python", "bin", ".venv"])
def test_links_are_followed_to_their_end(clone, step):
    """In place of each folder or file on the way to the interpreter: a link of root's to a stranger's."""
    theirs = clone.folder.parent / "theirs"
    theirs.mkdir()
    place = {"python": clone.python, "bin": clone.python.parent, ".venv": clone.folder / ".venv"}[step]
    shutil.move(place, theirs / place.name)
    place.symlink_to(f"../{'../' * (len(place.relative_to(clone.folder).parts) - 1)}theirs/{place.name}")
    clone.call()
    assert clone.executed(), "the link alone is no reason"
    clone.marker.unlink()

    os.chown(theirs, STRANGER, STRANGER)
    done = clone.call()

    assert (done.returncode, clone.executed()) == (4, [])
    assert str(theirs.name) in done.stderr


def test_a_sticky_folder_on_the_way_is_no_reason(clone):
    clone.folder.parent.chmod(0o1777)

    clone.call()

    assert clone.executed()


def test_a_python_of_another_user_in_path_is_passed_over(clone):
    shutil.rmtree(clone.folder / ".venv")
    tools = clone.folder.parent / "tools"
    tools.mkdir()
    (tools / "python3").write_text(CANARY.format(marker=clone.marker))
    (tools / "python3").chmod(0o755)
    os.chown(tools, STRANGER, STRANGER)

    clone.call(PATH=f"{tools}:/usr/bin:/bin")

    assert clone.executed() == []


@pytest.mark.parametrize("tool", ["id", "find", "ls", "awk", "getent"])
def test_the_tools_of_the_check_are_the_systems_whatever_path_says(clone, tool):
    tools = clone.folder.parent / "tools"
    tools.mkdir()
    (tools / tool).write_text(CANARY.format(marker=clone.marker))
    (tools / tool).chmod(0o755)
    os.chown(clone.folder / "taskserver", STRANGER, STRANGER)

    done = clone.call(PATH=f"{tools}:/usr/bin:/bin")

    assert (done.returncode, clone.executed()) == (4, [])


def test_python_listens_to_nothing_of_the_callers_environment(clone, tmp_path):
    """PYTHONPATH and its like: a module there would be root's code."""
    shutil.rmtree(clone.folder / ".venv")
    for name in ("click.py", "sitecustomize.py", "usercustomize.py", "startup.py"):
        (tmp_path / name).write_text(f"open({str(clone.marker)!r}, 'a').write({name!r})\n")
    given = {name: str(tmp_path) for name in ("PYTHONPATH", "PYTHONUSERBASE", "HOME")}

    clone.call(**given, PYTHONSTARTUP=str(tmp_path / "startup.py"), PYTHONINSPECT="1", BASH_ENV="/nowhere")

    assert clone.executed() == []


def test_a_module_in_the_working_directory_is_not_imported(clone, tmp_path):
    shutil.rmtree(clone.folder / ".venv")
    (tmp_path / "click.py").write_text(f"open({str(clone.marker)!r}, 'a').write('click')\n")

    subprocess.run([clone.script, "status"], cwd=tmp_path, capture_output=True, check=False)

    assert clone.executed() == []


def test_what_python_compiles_is_never_open_to_everybody(clone):
    shutil.rmtree(clone.folder / ".venv")
    (clone.folder / "taskserver" / "cli" / "__init__.py").write_text("def main(): return 0\n")

    done = subprocess.run([clone.script, "status"], umask=0, capture_output=True, text=True, cwd="/", check=False)

    assert done.returncode in (0, 5), done.stderr  # 5: the system's Python has no click
    modes = {place.stat().st_mode & 0o022 for place in clone.folder.rglob("*")}
    assert modes == {0}
