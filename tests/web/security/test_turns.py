"""Turns of those who sign in, taken without a server."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from taskserver.web.security.turns import MOST, MOST_OF_ONE, TooManyLogins, Turns


def test_so_many_wait_and_the_next_is_refused_at_once_until_one_has_gone():
    async def story() -> None:
        turns, over = Turns(), asyncio.Event()

        async def wait(source: str) -> None:
            async with turns.take(source):
                await over.wait()

        waiting = [
            asyncio.create_task(wait(f"10.0.0.{number // MOST_OF_ONE}")) for number in range(MOST - MOST_OF_ONE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLogins):
            await wait("10.0.0.0")
        waiting += [asyncio.create_task(wait("2001:db8::1")) for _ in range(MOST_OF_ONE)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLogins):
            await wait("10.0.1.1")
        waiting[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting[0]
        over.set()
        await wait("10.0.0.0")
        await asyncio.gather(*waiting[1:])

    asyncio.run(story())
