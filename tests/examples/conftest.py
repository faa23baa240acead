"""The installation of one test; its daemon never outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from example_installation import Installation


@pytest.fixture
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """With the example that the test module names in EXAMPLE."""
    made = Installation(tmp_path / "installation", request.module.EXAMPLE)
    yield made
    made.kill()
