"""Debian packages that are unpacked into a guest's tree and never installed on this machine.

`scripts/test` downloads them into a folder of the virtual environment. Who asks for one that is not there gets its
test skipped.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(sys.prefix) / "debian-packages"


def missing(names: tuple[str, ...]) -> list[str]:
    """Those of the packages that have not been downloaded."""
    return [name for name in names if not any(FOLDER.glob(f"{name}_*.deb"))]


def require(names: tuple[str, ...]) -> None:
    """Skips the test if one of them is not there."""
    if absent := missing(names):
        pytest.skip(f"not downloaded into {FOLDER}: {', '.join(absent)}; scripts/test does it as root on Debian")


def unpack(names: tuple[str, ...], root: Path) -> None:
    """Lay the files of these packages over the tree `root`; nothing of them is executed."""
    for name in names:
        package = max(FOLDER.glob(f"{name}_*.deb"))
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as archive:
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=archive.stdout, check=True)
        assert archive.returncode == 0, package
