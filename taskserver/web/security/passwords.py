"""Passwords: hashed with argon2id, checked without telling whether a name exists.

The hash costs 64 MiB and about a tenth of a second, also an attacker's; so no more than two are made at once,
however many people ask.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from taskserver.errors import UsageError
from taskserver.texts import mark

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 10
LONGEST = 1000

_SLOTS = threading.BoundedSemaphore(2)


class WeakPassword(UsageError):
    text = mark("a password needs at least {shortest} characters")


class PasswordIsName(UsageError):
    text = mark("the password must not be the user's name")


class PasswordTooLong(UsageError):
    text = mark("a password has at most {longest} characters")


class NotTheSame(UsageError):
    text = mark("the two new passwords are not the same")


class PasswordTooSimple(UsageError):
    text = mark("a password needs more than {count} different characters")


def hashed(password: str, *, name: str) -> str:
    """Raises a UsageError for a password that somebody else would try first."""
    if len(password) < SHORTEST:
        raise WeakPassword(shortest=SHORTEST)
    if len(password) > LONGEST:
        raise PasswordTooLong(longest=LONGEST)
    if len(set(password)) <= 3:
        raise PasswordTooSimple(count=3)
    if password.strip().lower() == name.lower():
        raise PasswordIsName()
    with _SLOTS:
        return _hasher().hash(_bytes(password))


def verified(password_hash: str | None, password: str) -> bool:
    """Whether it is the password; for a hash of None, which no password has, it takes as long to say no."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        password = ""
    with _SLOTS:
        try:
            _hasher().verify(password_hash or _nobodys_hash(), _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with less effort than today's."""
    return _hasher().check_needs_rehash(password_hash)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=2)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher().hash(b"nobody has this password")
