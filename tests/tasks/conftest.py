from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

_numbers = count()


@pytest.fixture
def a_module(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Writes a module below `tmp_path` and returns its name; afterwards nothing of it is imported."""
    made: list[str] = []

    def write(source: str) -> str:
        name = f"module_of_tests_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        made.append(name)
        return name

    before = list(sys.path)
    yield write
    sys.path[:] = before
    for name in made:
        sys.modules.pop(name, None)
