"""The fake daemon of one test; it never outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.kill()
