from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pool_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(4)
    yield bench
    bench.pool.close()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes an executable shell script and returns its path."""

    def write(body: str, name: str = "script") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write
