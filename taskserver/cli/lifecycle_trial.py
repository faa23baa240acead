"""What `restart` tries before it stops a daemon that works: log and database of the one that is to take its place.

Called by `lifecycle_start` once user, folders and task modules are known to be in order. It tries as the daemon's
user, in a process of its own where that is another one, since root is still needed for the start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import TYPE_CHECKING

from taskserver.cli.lifecycle_check_database import database_findings
from taskserver.cli.lifecycle_finding import Finding
from taskserver.cli.output import note
from taskserver.daemon import control, identity
from taskserver.daemon.logs import Logs
from taskserver.errors import EXIT_ERROR, EXIT_OK, TaskServerError
from taskserver.texts import mark, translate

if TYPE_CHECKING:
    from taskserver.config import Settings
    from taskserver.daemon.identity import Identity

ANSWER_SECONDS = 2.0


class GoesOn(TaskServerError):
    """A new daemon could not take the place of the old one. It also says with which exit code it would end."""

    text = mark("{reason}\nthe task server was not stopped and goes on as it was")

    def __init__(self, reason: str, code: int) -> None:
        self.exit_code = code  # type: ignore[misc]
        super().__init__(reason=reason)


def require(settings: Settings, who: Identity) -> None:
    """Raises GoesOn where a start would be refused, or would wait for its database while the old daemon has one.

    A database that is away for the old daemon too is no reason to keep that one: the new one waits for it.
    """
    found = _as_user(who, lambda: list(_findings(settings)))
    refused = [finding for finding in found if finding.code not in (EXIT_OK, EXIT_ERROR)]
    passing = [finding for finding in found if finding.code == EXIT_ERROR]
    if refused or (passing and _works(settings)):
        faults = refused or passing
        raise GoesOn("\n".join(finding.text for finding in faults), faults[0].code)
    for finding in passing:
        note(translate("{reason}; the new task server will wait for it", reason=finding.text))


def _findings(settings: Settings) -> Iterator[Finding]:
    try:
        Logs(foreground=False).require(settings)
    except TaskServerError as error:
        yield Finding.of("log", error)
    yield from database_findings(settings, running=True, trusted=True)


def _works(settings: Settings) -> bool:
    """Whether the daemon that runs has its database."""
    status = control.ask_status(settings.users_dir, timeout=ANSWER_SECONDS) or {}
    return status.get("state") == "running" and status.get("database") == "ok"


def _as_user(who: Identity, look: Callable[[], list[Finding]]) -> list[Finding]:
    if not who.changes:
        return look()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer, who, look)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found = [Finding(*values) for values in json.load(answer)]
    os.waitpid(child, 0)
    return found


def _answer(writer: int, who: Identity, look: Callable[[], list[Finding]]) -> None:
    """The child: tells what it has found and ends, whatever happens."""
    try:
        identity.become(who)
        found = look()
    except BaseException as error:  # noqa: BLE001 - the parent must hear of it
        found = [Finding("restart", f"{type(error).__name__}: {error}", EXIT_ERROR)]
    with os.fdopen(writer, "w") as answer:
        json.dump([astuple(finding) for finding in found], answer)
    os._exit(0)
