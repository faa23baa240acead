"""One PostgreSQL database for many tests, emptied after each: a copy takes longer than most tests."""

from __future__ import annotations

import psycopg

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
