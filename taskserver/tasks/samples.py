"""The task that every installation has, to see the server work before there is one of one's own."""

from __future__ import annotations

from threading import Event

from taskserver.tasks.context import Context
from taskserver.tasks.decorator import task


@task("sample", title="Sample: counts to 100", max_crashes=10)
def sample(ctx: Context, seconds: float = 10) -> str:
    """Counts to 100 with a detail; stopped, it goes on where it was."""
    first = int((ctx.checkpoint_data or {}).get("counted", 0))
    if first:
        ctx.logger.info("going on at %d", first)
    pause = Event()
    for number in range(first + 1, 101):
        pause.wait(max(0.0, seconds) / 100)
        ctx.detail = f"counted to {number}"
        if number % 10 == 0 or ctx.stop_requested:
            ctx.checkpoint({"counted": number})
        ctx.progress(number)
    return "counted to 100"
