"""The form of a cron entry: what stands in it, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskserver.errors import UsageError
from taskserver.jobs import Misfire, Overlap
from taskserver.texts import mark, translate
from taskserver.web.forms import whole_number

_MISFIRES = (
    (Misfire.ONCE, mark("one job for all that was missed")),
    (Misfire.ALL, mark("one job for each that was missed")),
    (Misfire.SKIP, mark("no job")),
)
_OVERLAPS = (
    (Overlap.SKIP, mark("leave the due time out")),
    (Overlap.QUEUE, mark("queue the job behind it")),
)

TEXTS = ("name", "title", "description", "cron_spec", "time_zone", "node_id")
NUMBERS = {"priority": (-1_000_000, 1_000_000), "max_attempts": (1, 1000)}
_NUMBER_WORDS = {"priority": mark("Priority"), "max_attempts": mark("Attempts")}
_LONGEST = 2000


class NameMissing(UsageError):
    text = mark("give the cron entry a name")


def misfires() -> dict[str, str]:
    """What becomes of missed due times, in the reader's words."""
    return {value: translate(word) for value, word in _MISFIRES}


def overlaps() -> dict[str, str]:
    """What becomes of a due time while an earlier job has not ended, in the reader's words."""
    return {value: translate(word) for value, word in _OVERLAPS}


def blank(time_zone: str) -> dict[str, str]:
    """A new entry's form."""
    return {
        **dict.fromkeys(TEXTS, ""),
        "time_zone": time_zone,
        "misfire": Misfire.ONCE,
        "overlap": Overlap.SKIP,
        "priority": "0",
        "max_attempts": "",
    }


def filled(entry: Mapping[str, Any]) -> dict[str, str]:
    """The form of an entry that there is."""
    names = (*TEXTS, "misfire", "overlap", *NUMBERS)
    return {name: "" if entry[name] is None else str(entry[name]) for name in names}


def posted(given: Mapping[str, Any], otherwise: Mapping[str, str]) -> dict[str, str]:
    """The form as somebody has filled it in; what was not sent is as `otherwise` has it."""
    return {
        name: str(given.get(name, value))[:_LONGEST].replace("\r\n", "\n") for name, value in otherwise.items()
    }


def columns(form: Mapping[str, str]) -> dict[str, Any]:
    """What is stored. Raises NameMissing, NotAWholeNumber; the schedule is for the store to judge."""
    values: dict[str, Any] = {name: form[name].replace("\0", "").strip() for name in TEXTS}
    if not values["name"]:
        raise NameMissing()
    values["node_id"] = values["node_id"] or None
    values["misfire"] = form["misfire"] if form["misfire"] in set(Misfire) else Misfire.ONCE
    values["overlap"] = form["overlap"] if form["overlap"] in set(Overlap) else Overlap.SKIP
    values["priority"] = _number("priority", form["priority"]) or 0
    values["max_attempts"] = _number("max_attempts", form["max_attempts"])
    return values


def _number(field: str, text: str) -> int | None:
    least, most = NUMBERS[field]
    return whole_number(translate(_NUMBER_WORDS[field]), text, least=least, most=most)
