"""What is known about the daemon of a users directory: its pidfile, the kernel, and what it says of itself.

Looked at by `status` and by the console. Needs neither configuration nor database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taskserver.daemon import control, pidfile, process
from taskserver.daemon.pidfile import Reading, State

ANSWER_SECONDS = 2.0


def look(users_dir: Path) -> tuple[Reading, dict[str, Any]]:
    """The pidfile's reading, and the document that `status --json` prints."""
    reading = pidfile.read(users_dir)
    running = reading.state is State.RUNNING
    answer = control.ask_status(users_dir, timeout=ANSWER_SECONDS) if running else None
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
