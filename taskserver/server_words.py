"""What `status` says of the daemon, in words: the control program prints them, the console shows them.

`document` is what `status --json` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from taskserver.texts import language, translate

Document = Mapping[str, Any]

RUNNING, DEAD, STOPPED, UNKNOWN = "running", "dead", "stopped", "unknown"
"""What the pidfile proves; of one that runs, the daemon itself may say more."""


def headline(document: Document) -> str:
    """One sentence: whether it runs, and if not, what is known about that."""
    state = str(document["state"])
    if state == UNKNOWN:
        reason = document.get("reason")
        return translate("whether the task server is running cannot be told: {reason}", reason=reason)
    if state == DEAD:
        pid = document.get("pid", "?")
        return translate("the task server is not running; it died and left its pidfile (pid {pid})", pid=pid)
    if state == STOPPED:
        return translate("the task server is not running")
    if not document.get("answering", True):
        return translate("the task server is running, but it is not answering")
    words = {
        "starting": translate("the task server is starting"),
        "waiting for database": translate("the task server is running and waits for its database"),
        "draining": translate("the task server is stopping"),
    }
    return words.get(state, translate("the task server is running"))


def fields(document: Document, show_time: Callable[[datetime], str]) -> list[tuple[str, Any]]:
    """What it says of itself: labels and values, "" or None where nothing is known."""
    return [
        (translate("since"), _instant(document.get("since"), show_time)),
        (translate("pid"), document.get("pid")),
        (translate("node"), document.get("node_id")),
        (translate("version"), document.get("version")),
        (translate("slots"), _slots(document)),
        (translate("waiting jobs"), document.get("waiting")),
        (translate("auto-start"), auto_start(document.get("autostart"))),
        (translate("claims jobs"), _claiming(document.get("claiming"))),
        (translate("database"), document.get("database")),
        (translate("memory"), _megabytes(document.get("memory_rss"))),
        (translate("console"), _console(document.get("console"))),
    ]


def auto_start(on: object) -> str:
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


def _slots(document: Document) -> str:
    if "busy" not in document or "free" not in document:
        return ""
    return translate("{busy} busy, {free} free", busy=document["busy"], free=document["free"])


def _instant(since: object, show_time: Callable[[datetime], str]) -> str:
    try:
        return show_time(datetime.fromisoformat(str(since)))
    except ValueError:
        return ""


def _megabytes(size: object) -> str:
    if not isinstance(size, int):
        return ""
    number = f"{size / 1024 / 1024:.1f}"
    return f"{number.replace('.', ',') if language() == 'de' else number} MB"
