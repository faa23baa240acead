"""`status`: whether the daemon runs, proven by its pidfile, and what it says about itself."""

from __future__ import annotations

from typing import Any

from taskserver import server_words
from taskserver.cli.lifecycle_place import users_dir
from taskserver.cli.output import local_time, note, print_fields, print_json, say
from taskserver.cli.session import Session
from taskserver.daemon.look import look
from taskserver.daemon.pidfile import State
from taskserver.texts import translate

EXIT_CODES = {State.RUNNING: 0, State.DEAD: 1, State.STOPPED: 3, State.UNKNOWN: 4}
"""As LSB has them for `status`."""


def status(session: Session) -> int:
    """Print what is known; the exit code says whether the daemon runs."""
    folder = users_dir(session)
    reading, document = look(folder)
    if session.json:
        print_json(document)
    elif reading.state is State.RUNNING:
        _print_running(document)
    else:
        tell = note if reading.state is State.UNKNOWN else say
        tell(server_words.headline(document))
        if reading.state is State.STOPPED and not folder.is_dir():
            note(translate("there is no users directory {users_dir} yet", users_dir=folder))
    return EXIT_CODES[reading.state]


def _print_running(document: dict[str, Any]) -> None:
    say(server_words.headline(document))
    print_fields(server_words.fields(document, lambda since: local_time(since, None, with_zone=True)))
