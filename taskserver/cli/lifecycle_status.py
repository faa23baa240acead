"""`status`: whether the daemon runs, proven by its pidfile, and what it says about itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from taskserver.cli.lifecycle_place import users_dir
from taskserver.cli.output import local_time, note, print_fields, print_json, say
from taskserver.cli.session import Session
from taskserver.daemon.look import look
from taskserver.daemon.pidfile import Reading, State
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
        _print_absent(reading)
        if reading.state is State.STOPPED and not folder.is_dir():
            note(translate("there is no users directory {users_dir} yet", users_dir=folder))
    return EXIT_CODES[reading.state]


def _print_running(document: dict[str, Any]) -> None:
    words = {
        "starting": translate("the task server is starting"),
        "waiting for database": translate("the task server is running and waits for its database"),
        "draining": translate("the task server is stopping"),
    }
    if document["answering"]:
        say(words.get(str(document["state"]), translate("the task server is running")))
    else:
        say(translate("the task server is running, but it is not answering"))
    print_fields(
        [
            (translate("since"), _local(document.get("since"))),
            (translate("pid"), document.get("pid")),
            (translate("node"), document.get("node_id")),
            (translate("version"), document.get("version")),
            (translate("slots"), _slots(document)),
            (translate("waiting jobs"), document.get("waiting")),
            (translate("auto-start"), _auto_start(document.get("autostart"))),
            (translate("claims jobs"), _claiming(document.get("claiming"))),
            (translate("database"), document.get("database")),
            (translate("memory"), _megabytes(document.get("memory_rss"))),
            (translate("console"), _console(document.get("console"))),
        ]
    )


def _print_absent(reading: Reading) -> None:
    if reading.state is State.UNKNOWN:
        note(translate("whether the task server is running cannot be told: {reason}", reason=reading.reason))
    elif reading.state is State.DEAD:
        pid = reading.record.pid if reading.record else "?"
        say(translate("the task server is not running; it died and left its pidfile (pid {pid})", pid=pid))
    else:
        say(translate("the task server is not running"))


def _slots(document: dict[str, Any]) -> str:
    if "busy" not in document or "free" not in document:
        return ""
    return translate("{busy} busy, {free} free", busy=document["busy"], free=document["free"])


def _auto_start(on: object) -> str:
    if on is None:
        return ""
    return translate("on") if on else translate("off: only jobs started by hand run")


def _claiming(on: object) -> str:
    """Only what is out of the ordinary."""
    return translate("no: it was told not to, on the console's page of nodes") if on is False else ""


def _console(document: object) -> str:
    """Where it is served, or why it is not; nothing of a daemon that says nothing of it."""
    if not isinstance(document, dict):
        return ""
    words = {
        "off": translate("off"),
        "starting": translate("starting"),
        "serving": str(document.get("address")),
        "failed": translate("not served: {reason}", reason=document.get("reason")),
    }
    return words.get(str(document.get("state")), "")


def _local(since: object) -> str:
    try:
        return local_time(datetime.fromisoformat(str(since)), None, with_zone=True)
    except ValueError:
        return ""


def _megabytes(size: object) -> str:
    return f"{size / 1024 / 1024:.1f} MB" if isinstance(size, int) else ""
