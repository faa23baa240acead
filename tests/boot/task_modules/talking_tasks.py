"""Tasks that talk: what the boot tests look for in the journal."""

from __future__ import annotations

import logging

from taskserver import Context, task


@task("letters.send")
def letters(ctx: Context, customer: str, password: str = "") -> str:
    ctx.logger.info("customer %s", customer)
    logging.getLogger("library").warning("first line\nsecond line: %s", password)
    ctx.logger.info("a long one %s", "x" * 200_000)
    return "sent"


@task("flood")
def flood(ctx: Context, lines: int) -> str:
    for number in range(lines):
        ctx.logger.info("line %d", number)
    return "drained"


@task("fails")
def fails() -> None:
    raise ValueError("no such customer")
