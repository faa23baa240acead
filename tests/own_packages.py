"""What the package needs, copied out of this environment: quicker than pip, and nothing is downloaded."""

from __future__ import annotations

import re
import shutil
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

EXTRAS = {"taskserver": ("postgresql", "console")}


def copy_packages(target: Path) -> None:
    """Into this site-packages, which belongs to a Python of the same minor version. The package itself stays."""
    source = Path(sysconfig.get_path("purelib"))
    for name in sorted(_top_level(source)):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
        else:
            shutil.copy2(source / name, target / name)


def _top_level(source: Path) -> set[str]:
    """What the needed distributions have put into site-packages."""
    names = set()
    for name in _needed("taskserver") - {"taskserver"}:
        for file in metadata.distribution(name).files or ():
            if file.parts[0] != ".." and (source / file.parts[0]).exists():
                names.add(file.parts[0])
    return names - {"__pycache__"}


def _needed(name: str, seen: set[str] | None = None) -> set[str]:
    """The names of a distribution and of all that it needs on this machine."""
    seen = set() if seen is None else seen
    if name not in seen:
        seen.add(name)
        for needed in _requirements(name):
            _needed(needed, seen)
    return seen


def _requirements(name: str) -> Iterator[str]:
    from packaging.requirements import Requirement

    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        marker, extras = requirement.marker, EXTRAS.get(name, ("",))
        wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
        # psycopg's own extra "binary" is asked for by ours
        if wanted or (name == "psycopg" and 'extra == "binary"' in line):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()
