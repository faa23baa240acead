"""Slows down whoever guesses passwords: per name and address, per address, and gently per name.

In memory, since the console is one process. A stranger who fails under somebody's name delays that name for half a
minute at most, so that nobody can be locked out of their own account.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from taskserver.errors import TaskServerError
from taskserver.texts import mark

REMEMBERED = 10_000
FORGOTTEN_AFTER = 3600.0


class TooManyAttempts(TaskServerError):
    text = mark("too many attempts; try again in {seconds} s")


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures are free; then each doubles the wait, up to the longest."""

    free: int
    longest: float


PER_PAIR = Rule(free=4, longest=900.0)
PER_SOURCE = Rule(free=30, longest=900.0)
PER_NAME = Rule(free=20, longest=30.0)


@dataclass(slots=True)
class _Count:
    failures: int
    until: float
    last: float


class Throttle:
    """Threads may share it. An attempt counts as failed until it is said to have succeeded, so that many at once
    are no way around."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def attempt(self, name: str, source: str) -> None:
        """Raises TooManyAttempts, which says how long to wait; an attempt that is refused counts for nothing."""
        with self._lock:
            now = self._clock()
            keys = _keys(name, source)
            wait = max((self._wait(key, now) for key in keys), default=0.0)
            if wait > 0:
                raise TooManyAttempts(seconds=int(wait) + 1)
            for key, rule in keys.items():
                self._fail(key, rule, now)

    def succeeded(self, name: str, source: str) -> None:
        """Nothing is held against this name from here; the address loses the one attempt alone, since it may have
        an account of its own and guess at others."""
        with self._lock:
            pair, by_source, by_name = _keys(name, source)
            self._counts.pop(pair, None)
            for key in (by_source, by_name):
                count = self._counts.get(key)
                if count is not None:
                    count.failures -= 1
                    if count.failures <= 0:
                        del self._counts[key]

    def _wait(self, key: tuple[str, str], now: float) -> float:
        count = self._counts.get(key)
        if count is None:
            return 0.0
        if now - count.last > FORGOTTEN_AFTER:
            del self._counts[key]
            return 0.0
        return count.until - now

    def _fail(self, key: tuple[str, str], rule: Rule, now: float) -> None:
        count = self._counts.setdefault(key, _Count(0, now, now))
        self._counts.move_to_end(key)
        count.failures += 1
        count.last = now
        beyond = count.failures - rule.free
        count.until = now + min(2.0 ** min(beyond, 20), rule.longest) if beyond >= 0 else now
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)


def _keys(name: str, source: str) -> dict[tuple[str, str], Rule]:
    folded, place = name.strip().casefold()[:200], network(source)
    return {
        (f"pair {place}", folded): PER_PAIR,
        ("source", place): PER_SOURCE,
        ("name", folded): PER_NAME,
    }


def network(source: str) -> str:
    """The address, of IPv6 the network that one customer has: its addresses are for the taking."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
