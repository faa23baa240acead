"""One database for many tests, made anew or emptied after each: a copy takes longer than most tests, and so does
what SQLAlchemy has to compile for a new engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, Engine

from taskserver.database.dialects import DIALECTS

_CLEAN = """
DELETE FROM jobs; DELETE FROM runs; DELETE FROM run_output; DELETE FROM missed_runs; DELETE FROM nodes;
DELETE FROM tasks; DELETE FROM audit; DELETE FROM users; DELETE FROM tokens; DELETE FROM login_links;
DELETE FROM idempotency_keys; DELETE FROM clients WHERE id <> 1;
UPDATE clients SET name = 'default', title = '', login = 'default', max_parallel = NULL;
UPDATE settings SET value = 'on' WHERE name = 'autostart'
"""


def empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute(_CLEAN)


def made_anew(file: Path, template: Path) -> str:
    """The URL of a new database in the place of the last test's."""
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    shutil.copy(template, file)
    return f"sqlite:///{file}"


@contextmanager
def engines(known: dict[URL, Engine]) -> Iterator[None]:
    """In the block there is one engine for each URL, however often a database is opened."""

    def lasting(make: Callable[..., Engine]) -> Callable[..., Engine]:
        return lambda dialect, url: known.get(url) or known.setdefault(url, make(dialect, url))

    with pytest.MonkeyPatch.context() as patch:
        for kind in DIALECTS.values():
            patch.setattr(kind, "engine", lasting(kind.engine))
        yield
