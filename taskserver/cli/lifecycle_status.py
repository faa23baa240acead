"""`status`: whether the daemon runs, proven by its pidfile, and what it says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taskserver import server_words
from taskserver.cli.lifecycle_place import users_dir
from taskserver.cli.output import local_time, note, print_fields, print_json, say
from taskserver.cli.session import Session
from taskserver.daemon import control, pidfile, process
from taskserver.daemon.pidfile import Reading, State
from taskserver.texts import translate

ANSWER_SECONDS = 2.0

EXIT_CODES = {State.RUNNING: 0, State.DEAD: 1, State.STOPPED: 3, State.UNKNOWN: 4}
"""As LSB has them for `status`."""


def status(session: Session) -> int:
    """Print what is known; the exit code says whether the daemon runs."""
    folder = users_dir(session)
    reading, document = _look(folder)
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


def status_document(session: Session) -> dict[str, Any]:
    """What `status --json` prints."""
    return _look(users_dir(session))[1]


def _look(folder: Path) -> tuple[Reading, dict[str, Any]]:
    reading = pidfile.read(folder)
    running = reading.state is State.RUNNING
    answer = control.ask_status(folder, timeout=ANSWER_SECONDS) if running else None
    return reading, _document(reading, answer)


def _document(reading: Reading, answer: dict[str, Any] | None) -> dict[str, Any]:
    """What the daemon says; where it says nothing, what its pidfile and the kernel know."""
    known: dict[str, Any] = {"state": reading.state.value}
    if reading.state is State.RUNNING:
        known["answering"] = answer is not None
    if reading.reason:
        known["reason"] = reading.reason
    if reading.record is not None:
        known |= {
            "pid": reading.record.pid,
            "since": reading.record.since,
            "node_id": reading.record.facts.get("node"),
            "boot_id": reading.record.facts.get("boot-id"),
        }
    if reading.state is State.RUNNING and reading.record is not None:
        known["memory_rss"] = process.resident_bytes(reading.record.pid)
    return known | {key: value for key, value in (answer or {}).items() if value is not None}


def _print_running(document: dict[str, Any]) -> None:
    say(server_words.headline(document))
    print_fields(server_words.fields(document, lambda since: local_time(since, None, with_zone=True)))
