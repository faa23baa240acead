"""A system below a prefix for the tests of installing."""

from __future__ import annotations

from pathlib import Path

import pytest
from install_host import Host


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE", "TASKSERVER_CONFIG", "TASKSERVER_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)
