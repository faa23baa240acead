"""The fake daemon of one test, which never outlives it, and a place that every user can reach."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_daemon import FAKE_DAEMON, ROOT, Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user can pass, with the parts of the package that need the standard library only."""
    folder = Path(tempfile.mkdtemp(prefix="taskserver-", dir="/tmp"))
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "taskserver" / "daemon", folder / "taskserver" / "daemon", ignore=ignore)
    names = (
        "__init__.py",
        "clock.py",
        "errors.py",
        "extras.py",
        "jobs.py",
        "log_fields.py",
        "redaction.py",
        "plain_files.py",
        "texts.py",
    )
    for name in names:
        shutil.copy(ROOT / "taskserver" / name, folder / "taskserver")
    (folder / "taskserver" / "web").mkdir()
    for name in ("__init__.py", "packages.py"):
        shutil.copy(ROOT / "taskserver" / "web" / name, folder / "taskserver" / "web")
    found = importlib.util.find_spec("daemon")
    shutil.copytree(Path(found.origin).parent, folder / "daemon", ignore=ignore)
    shutil.copy(FAKE_DAEMON, folder)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
