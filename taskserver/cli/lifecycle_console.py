"""What `start` says of the console: where it is served or why not, and the link for the first login.

The link lets in whoever reads it, so it goes to who has called and into nothing that is kept.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import Any

from taskserver.cli.output import note
from taskserver.cli.session import Session
from taskserver.daemon import control
from taskserver.errors import TaskServerError
from taskserver.texts import translate

PATIENCE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1


def after_start(session: Session) -> dict[str, Any]:
    """Wait until the new daemon's console is served, or is not; that, with `first_login` if there is no user."""
    told = _await_console(session)
    if told["state"] != "serving":
        return told
    try:
        told["first_login"] = _first_link(session)
    except TaskServerError as error:  # the daemon has started all the same
        note(error.message())
    return told


def tell(told: dict[str, Any]) -> None:
    """In words, on standard error."""
    if told["state"] == "serving":
        note(translate("the console is served at {address}", address=told["address"]))
    elif told["state"] == "failed":
        note(translate("the console is not served: {reason}", reason=told["reason"]))
    else:
        note(translate("the console is still starting; `task_server status` shows it"))
    link = told.get("first_login")
    if link and is_kept(sys.stderr.fileno()):
        note(translate("there is no user yet; `task_server console login-url` prints a link that makes the first"))
    elif link:
        note(translate("there is no user yet; this link makes the first administrator: {link}", link=link))


def is_kept(descriptor: int) -> bool:
    """Whether what is written there lands in a log: a file, or the socket of a service manager's journal."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _await_console(session: Session) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    told: dict[str, Any] = {"state": "starting"}
    while told["state"] == "starting" and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
        answer = control.ask_status(session.settings.users_dir, timeout=1.0) or {}
        told = dict(answer.get("console") or told)
    return told


def _first_link(session: Session) -> str | None:
    from taskserver.web.first_login import first_login_url

    return first_login_url(session.store, session.settings.console)
