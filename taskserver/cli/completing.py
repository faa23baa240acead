"""What the shell is offered for a word that names something in the database: tasks, clients, cron entries, jobs.

A file is glanced at, as the user that its folder belongs to: root leaves no file in a daemon's folder and imports
nothing of its. A database server is asked by the store. Whatever is wrong, nothing is offered and nothing is said.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from taskserver.cli.session import Session
from taskserver.errors import TaskServerError


def items(ctx: click.Context, what: str, incomplete: str) -> list[CompletionItem]:
    """Those of `what` that begin with what was typed, each with a word about it for shells that show one."""
    try:
        found = _found(Session.of(ctx), what)
    except (TaskServerError, OSError):
        return []
    return [
        CompletionItem(name, help=" ".join(word.split()) if word.isprintable() else None)
        for name, word in found
        if name.startswith(incomplete) and name.isprintable()
    ]


def _found(session: Session, what: str) -> list[tuple[str, str]]:
    peek = session.peek()
    if peek.faults:
        return []
    if peek.database is not None:
        from taskserver.glance import glance

        _become_owner(peek.database.parent)
        return glance(peek.database, what)
    if what == "tasks":
        return [(row["name"], row["title"]) for row in session.store.tasks.find()]
    if what == "clients":
        return [(row["name"], row["title"]) for row in session.store.clients.find(counted=False)]
    return [(row["name"], row["task"]) for row in session.store.entries.find()] if what == "entries" else []


def _become_owner(folder: Path) -> None:
    """As root: be the owner of the folder, in which SQLite makes files, for the short rest of this process."""
    status = folder.stat()
    if os.geteuid() == 0 and status.st_uid != 0:
        os.setgroups([])
        os.setresgid(status.st_gid, status.st_gid, status.st_gid)
        os.setresuid(status.st_uid, status.st_uid, status.st_uid)
