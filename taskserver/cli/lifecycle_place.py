"""Where the daemon of this installation keeps its pidfile, found out without needing anything to be in order."""

from __future__ import annotations

from pathlib import Path

from taskserver.cli.output import note
from taskserver.cli.session import Session
from taskserver.config import peek
from taskserver.errors import NotConfigured
from taskserver.texts import translate


def users_dir(session: Session) -> Path:
    """`--users-dir`, else what the configuration says, else the default; the last is said on stderr."""
    if session.users_dir is not None:
        return session.users_dir
    try:
        found = peek(session.config_file(), installation=session.installation)
    except NotConfigured as error:
        default = session.installation / "users"
        note(
            translate(
                "{reason}; using the default users directory {users_dir}",
                reason=error.message(),
                users_dir=default,
            )
        )
        return default
    if found.faults:
        note(found.faults)
    return found.users_dir
