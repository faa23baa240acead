"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(
    condition: Callable[[], Any], *, what: str = "the condition", seconds: float = 30.0, pause: float = 0.01
) -> Any:
    """The first true value of `condition`; fails when it never becomes true. `pause`: for looks that cost much."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last seen: {value!r}")
        time.sleep(pause)
    return value
