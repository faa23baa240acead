"""The cgroups of a guest: one in each hierarchy of this machine, whichever there are.

A machine of today has one hierarchy (cgroup2 on /sys/fs/cgroup); others have one for each controller, with or
without an empty cgroup2 beside them. The guest gets the same, seen from its own cgroups downwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
FOLDER = Path("/sys/fs/cgroup")
PREFIX = "taskserver-boot-"
MOUNT_OPTIONS = frozenset({"rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "seclabel"})
PASSED_ON = "cgroup.subtree_control"
LEFT_OUT = "cpuset"
"""In a hierarchy of its own it takes no process before its processors are named; no guest needs it."""


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy, in the words that mount it again."""

    type: str
    options: str
    folder: str
    """Below /sys/fs/cgroup; a point for the only one."""

    @property
    def place(self) -> Path:
        return FOLDER / self.folder


def hierarchies() -> list[Hierarchy]:
    """Those that are mounted below /sys/fs/cgroup."""
    found = []
    for line in MOUNTS.read_text().splitlines():
        _, place, type_, options, *_ = line.split()
        folder = Path(place)
        if LEFT_OUT in options.split(","):
            continue
        if type_ in ("cgroup", "cgroup2") and FOLDER in (folder, folder.parent):
            found.append(Hierarchy(type_, _own_options(type_, options), str(folder.relative_to(FOLDER))))
    return found


def _own_options(type_: str, options: str) -> str:
    """Controllers and names without what concerns this mount alone."""
    own = [
        word for word in options.split(",") if word not in MOUNT_OPTIONS and not word.startswith("release_agent")
    ]
    if type_ == "cgroup2":
        own = []
    elif all(word.startswith("name=") for word in own):
        own = ["none", *own]
    return ",".join(own) or "rw"


def controllers() -> set[str]:
    """What a guest can limit: memory, pids and so on."""
    found: set[str] = set()
    for each in hierarchies():
        if each.type == "cgroup2":
            _pass_on(each.place)
            found |= set((each.place / PASSED_ON).read_text().split())
        else:
            found |= set(each.options.split(","))
    return found


def make(name: str, where: list[Hierarchy]) -> list[Path]:
    """Make the guest's cgroups; the files that take processes into them."""
    for each in where:
        (each.place / name).mkdir(exist_ok=True)
        if each.type == "cgroup2":
            _pass_on(each.place)
    return [each.place / name / "cgroup.procs" for each in where]


def _pass_on(place: Path) -> None:
    """Let the cgroups below have the controllers; where processes sit in this one, the kernel refuses."""
    for controller in (place / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):
            (place / PASSED_ON).write_text(f"+{controller}")


def remove(name: str, where: list[Hierarchy], *, patience: float = 10.0) -> None:
    """Remove the guest's cgroups, once the last of its processes is gone."""
    deadline = time.monotonic() + patience
    for each in where:
        while not _removed(each.place / name):
            if time.monotonic() > deadline:
                raise AssertionError(f"processes are left in {each.place / name}")
            time.sleep(0.02)


def _removed(top: Path) -> bool:
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            os.rmdir(folder)  # noqa: PTH106  a plain text from os.walk
    except FileNotFoundError:
        return not top.exists()
    except OSError:
        return False
    return True


def sweep(scratch: Path) -> None:
    """Remove what killed test runs have left, in cgroups and in the folder `scratch`."""
    for each in hierarchies():
        for place in _left_behind(each.place):
            _removed(place)
    for place in _left_behind(scratch):
        shutil.rmtree(place, ignore_errors=True)


def _left_behind(folder: Path) -> Iterator[Path]:
    """What has one of our names and in it the number of a process that is gone."""
    for place in folder.glob(f"{PREFIX}*"):
        owner = place.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            yield place


def usable() -> str:
    """Why cgroups can't be used; empty if they can."""
    found = hierarchies()
    if not found:
        return f"no cgroups are mounted below {FOLDER}"
    name = f"{PREFIX}{os.getpid()}-probe"
    try:
        make(name, found)
    except OSError as error:
        return f"no cgroup can be made: {error}"
    finally:
        remove(name, found)
    return ""
