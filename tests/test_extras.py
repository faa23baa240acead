"""How an optional part of this installation is installed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

import taskserver
from taskserver import extras
from taskserver.database import Database, DriverMissing
from taskserver.extras import installing

CLONE = Path(taskserver.__file__).parent.parent


def test_a_clone_is_installed_from_its_folder() -> None:
    command = shlex.split(installing("console"))

    assert command == [sys.executable, "-m", "pip", "install", "-e", f"{CLONE}[console]"]


def test_without_a_clone_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "taskserver" / "extras.py"))

    assert shlex.split(installing("postgresql"))[4:] == ["psycopg[binary]>=3.1"]
    assert any(package.startswith("fastapi") for package in shlex.split(installing("console")))


def test_a_missing_driver_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(DriverMissing) as refused:
        Database("postgresql+psycopg://somewhere/tasks")

    assert installing("postgresql") in str(refused.value)
