"""The tasks of the acceptance tests: each one behaves in one way, good or bad."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from sqlalchemy import text

from taskserver import Context, task


@task("quick")
def quick(ctx: Context, word: str = "done") -> str:
    return word


@task("effect", max_crashes=10, retry_delay=0.2)
def effect(ctx: Context, name: str, seconds: float = 0) -> str:
    """Writes its name once, together with its outcome, and takes its time about it."""
    with ctx.transaction() as connection:
        connection.execute(text("INSERT INTO effects (name) VALUES (:name)"), {"name": name})
    time.sleep(seconds)
    return name


@task("slow_effect", max_crashes=10)
def slow_effect(ctx: Context, name: str, seconds: float = 2) -> str:
    """Works first, then writes its name: nobody waits for its transaction."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check_stop()
        time.sleep(0.02)
    with ctx.transaction() as connection:
        connection.execute(text("INSERT INTO effects (name) VALUES (:name)"), {"name": name})
    return name


@task("patient")
def patient(ctx: Context, seconds: float = 60) -> str:
    """Stops as soon as it is asked to."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check_stop()
        time.sleep(0.01)
    return "ended by itself"


@task("deaf")
def deaf(ctx: Context, seconds: float = 60, trace: str = "") -> str:
    """Ignores every wish to stop; leaves a mark for each time it begins."""
    if trace:
        with Path(trace).open("a") as file:
            file.write(f"{ctx.attempt}\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
    return "ended by itself"


@task("hangs", timeout=0.5)
async def hangs(ctx: Context) -> None:
    await asyncio.sleep(3600)


@task("hangs_hard", timeout=0.5)
def hangs_hard(ctx: Context) -> None:
    while True:
        time.sleep(0.01)


@task("fails")
def fails(ctx: Context) -> None:
    raise ValueError("no such customer: 4711")


@task("fails_at_first", max_attempts=3, retry_delay=0.5)
def fails_at_first(ctx: Context, failures: int = 2) -> str:
    if ctx.attempt <= failures:
        raise ConnectionError(f"attempt {ctx.attempt}")
    return f"attempt {ctx.attempt}"


@task("floods")
def floods(ctx: Context, lines: int = 20_000) -> str:
    for number in range(lines):
        ctx.logger.info("line %d %s", number, "x" * 200)
        ctx.progress(number * 100 / lines, f"line {number}")
    return "flooded"


@task("talks")
def talks(ctx: Context, go_on: str) -> str:
    """Says a line, and the others once there is a file `go_on`."""
    ctx.logger.info("line 1")
    while not Path(go_on).exists():
        time.sleep(0.02)
        ctx.progress(50)
    for number in range(2, 6):
        ctx.logger.info("line %d", number)
    return "said it all"


@task("kills_its_node")
def kills_its_node(ctx: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@task("must_not_run_twice", on_crash="fail")
def must_not_run_twice(ctx: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@task("awkward")
def awkward(ctx: Context, word: str) -> str:
    """Returns, says and reports a text that was given with escapes."""
    text_ = word.encode().decode("unicode_escape")
    ctx.logger.info(text_)
    ctx.progress(50, text_)
    return text_
