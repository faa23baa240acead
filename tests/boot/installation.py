"""The installation in a guest: `/opt/taskserver` as an administrator has it, root's, and readable by everybody.

It is a layer for `Machine`, made once for a test session: this checkout's package, scripts and configuration, and
a `.venv` with what the package needs. The checkout's own `.venv` will not do: its interpreter may lie in a
home where a system user can't reach it. So the guest's holds a copy of the packages, and its interpreter is

1. that of the checkout's `.venv`, if everybody can reach it; else
2. `/usr/bin/python3.X` of the same X, which the compiled packages fit (Debian: python3).

Where there is neither, `build` says so and the tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from own_packages import copy_packages

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path("/opt/taskserver")
SCRIPT = PLACE / "scripts" / "task_server.py"
MODULES = PLACE / "modules"
"""Where the tasks of the tests lie in a guest."""

TASK_MODULES = Path(__file__).with_name("task_modules")


class NoInterpreter(Exception):
    """There is no Python that a system user could use; the text says what to install."""


def build(layer: Path) -> Path:
    """Make the layer in the folder `layer`, which is new; returns it. Raises NoInterpreter."""
    python = interpreter()
    place = layer / PLACE.relative_to("/")
    place.mkdir(parents=True)
    for name in ("taskserver", "scripts", "etc"):
        _copy(ROOT / name, place / name)
    shutil.copy2(ROOT / "setup.cfg", place)  # by which the control program knows its installation
    _copy(TASK_MODULES, place / MODULES.name)
    _make_environment(place / ".venv", python)
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(layer)], check=True)
    subprocess.run(["chown", "-R", "root:root", str(layer)], check=True)
    # Nobody but root may write there, so nobody else could keep what Python compiles.
    subprocess.run(
        [
            str(python),
            "-m",
            "compileall",
            "-q",
            "-s",
            str(layer),
            str(place / "taskserver"),
            str(place / "modules"),
        ],
        check=True,
    )
    return layer


def interpreter() -> Path:
    """A Python that everybody may execute, binary compatible with ours. Raises NoInterpreter."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.executable).resolve()
    for candidate in (own, Path(f"/usr/bin/python{version}")):
        if candidate.exists() and _open_to_all(candidate):
            return candidate
    raise NoInterpreter(f"{own} is closed to system users, and there is no /usr/bin/python{version}: install it")


def _open_to_all(file: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (file, *file.parents))


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))


def _make_environment(folder: Path, python: Path) -> None:
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    copy_packages(packages)
