"""The repository as a folder: its files, and a copy of it to try things in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ignored_names() -> tuple[str, ...]:
    return tuple(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def ignored() -> tuple[str, ...]:
    """The patterns of what may lie about in a checkout without belonging to it."""
    return (".git", *ignored_names())


@pytest.fixture(scope="session")
def copy_of_the_tree(ignored: tuple[str, ...]) -> Callable[[Path], Path]:
    """Copies what a fresh clone has."""

    def copy(target: Path) -> Path:
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*ignored), symlinks=True)
        return target

    return copy
