"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(
    condition: Callable[[], Any], *, what: str = "the condition", seconds: float = 30.0, pause: float = 0.01
) -> Any:
    """The first true value of `condition`; fails when it never becomes true. `pause`: the least between two looks.

    A look that starts processes is followed by a longer rest, so that what is waited for gets the processor.
    """
    begun = time.monotonic()
    deadline = begun + seconds
    while not (value := condition()):
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"{what} did not come true within {seconds:g} s; last seen: {value!r}")
        time.sleep(max(pause, 2 * (now - begun)))
        begun = time.monotonic()
    return value
