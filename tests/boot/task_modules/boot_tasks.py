"""The tasks of the boot tests."""

from __future__ import annotations

import time
from pathlib import Path

from taskserver import Context, task


@task("quick")
def quick(ctx: Context, word: str = "done") -> str:
    return word


@task("patient")
def patient(ctx: Context, seconds: float = 60, trace: str = "") -> str:
    """Leaves a mark for each time it begins; stops as soon as it is asked to."""
    if trace:
        with Path(trace).open("a") as file:
            file.write("began\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check_stop()
        time.sleep(0.01)
    return "ended by itself"


@task("awaits")
def awaits(ctx: Context, file: str) -> str:
    """Ends when the file is there, and never heeds a wish to stop."""
    while not Path(file).exists():
        time.sleep(0.01)
    return "it is there"
