"""`db upgrade|status`: the schema of the job database."""

from __future__ import annotations

from types import MappingProxyType

from taskserver.cli.command import group
from taskserver.cli.output import print_fields, print_json, say
from taskserver.cli.session import Session, pass_session
from taskserver.errors import EXIT_NEEDS_UPGRADE, EXIT_OK
from taskserver.texts import mark, translate

_STATES = MappingProxyType(
    {
        "current": mark("up to date"),
        "empty": mark("not there yet; `task_server start` or `task_server db upgrade` makes it"),
        "older": mark("older than this version; run `task_server db upgrade`"),
        "newer": mark("newer than this version; install the newer taskserver again"),
    }
)
_EMPTY_SERVER = mark("not there yet; `task_server db upgrade` makes it")


@group(examples=["task_server db status", "task_server db upgrade"])
def db() -> None:
    """Creates and upgrades the tables in the database, and tells their state."""


@db.command(examples=["task_server db upgrade"])
@pass_session
def upgrade(session: Session) -> None:
    """Makes the tables, or brings those of an older version up to date.

    Stop every daemon on the database and make a backup first.
    """
    from taskserver.cli import root
    from taskserver.daemon.folders import prepare
    from taskserver.store import Store

    prepare(root.settle(session.settings, session.identity()), users_dir=session.settings.users_dir, log_file=None)
    session.become_run_as()
    url = session.settings.database
    with session.database_access():
        before = str(Store.schema_state(url))
    Store.create_or_upgrade(url)
    if session.json:
        print_json({"database": _shown(url), "before": before, "state": str(Store.schema_state(url))})
    elif before == "current":
        say(translate("the database is up to date already"))
    elif before == "empty":
        say(translate("the database is created"))
    else:
        say(translate("the database is upgraded"))


@db.command(examples=["task_server db status", "task_server db status --json"])
@pass_session
def status(session: Session) -> int:
    """Tells whether the tables fit this version; the exit code is 154 if not."""
    from taskserver.store import Store

    session.become_run_as()
    url = session.settings.database
    with session.database_access():
        state = str(Store.schema_state(url))
    if session.json:
        print_json({"database": _shown(url), "state": state})
    else:
        text = _EMPTY_SERVER if state == "empty" and not _is_file(url) else _STATES[state]
        print_fields([(translate("Database"), _shown(url)), (translate("State"), translate(text))])
    return EXIT_OK if state == "current" else EXIT_NEEDS_UPGRADE


def _is_file(url: str) -> bool:
    """Whether the database is a file: only such a one does a start make by itself."""
    from taskserver.database import Database

    database = Database(url)
    database.close()
    return database.file is not None


def _shown(url: str) -> str:
    from taskserver.config.database_url import hidden

    return hidden(url)
