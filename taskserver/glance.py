"""A glance into a job database that is a file, for the shell that completes a word: at once, or not at all.

A person waits for it at the press of a key, so it does without SQLAlchemy and thus without the store, reads with
the plain driver, and gives up rather than wait. It writes nothing. What a database server holds is the store's to
tell.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

MOST = 200
_PATIENCE_SECONDS = 0.2
_STATEMENTS = MappingProxyType(
    {
        "tasks": "SELECT name, title FROM tasks ORDER BY name LIMIT ?",
        "clients": "SELECT name, title FROM clients ORDER BY name LIMIT ?",
        "entries": "SELECT name, task FROM jobs WHERE type = 'interval' ORDER BY name LIMIT ?",
        "jobs": "SELECT id, coalesce(title, task) || ': ' || status FROM jobs WHERE type = 'once' "
        "ORDER BY id DESC LIMIT ?",
    }
)


def glance(file: Path, what: str) -> list[tuple[str, str]]:
    """Names or ids of tasks, clients, entries or jobs, with a word about each; nothing if it can't be read."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=_PATIENCE_SECONDS)
        try:
            rows = connection.execute(_STATEMENTS[what], (MOST,)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return []
    return [(str(name), str(word or "")) for name, word in rows]
