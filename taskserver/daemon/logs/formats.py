"""What a log record looks like: as a line of text, as JSON, with its priority. Pure, used by the handlers.

A record whose arguments do not fit its message is shown all the same; the values of a job's passwords are not.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

from taskserver.clock import to_rfc3339
from taskserver.log_fields import fields_of

Form = Callable[[logging.LogRecord], str]

MOST_CHARACTERS = 256 * 1024
"""Of one record: what is longer is cut, so that no single line fills the memory or the log."""

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PLAIN_VALUE = re.compile(r"[\w.@:/+-]+")
_TRACES = logging.Formatter()


def priority(record: logging.LogRecord) -> int:
    """The level as syslog(3) counts: 2 critical, 3 error, 4 warning, 6 information, 7 debugging."""
    return next((number for level, number in _PRIORITIES if record.levelno >= level), 7)


def message(record: logging.LogRecord) -> str:
    """The message with what belongs to it, masked and bounded; may have several lines."""
    text = _shown(record)
    if record.exc_info or record.exc_text:
        text += "\n" + traceback_of(record)
    if record.stack_info:
        text += "\n" + record.stack_info
    return _fit(record, text)


def traceback_of(record: logging.LogRecord) -> str:
    if not record.exc_text and record.exc_info:
        record.exc_text = _TRACES.formatException(record.exc_info)
    return record.exc_text or ""


def text(record: logging.LogRecord) -> str:
    """One line per record, times in UTC; further lines of a message are set in."""
    return f"{_at(record)} {record.levelname} {indented(record)}"


def indented(record: logging.LogRecord) -> str:
    """Logger, fields and message; control characters are shown as escapes, further lines are set in."""
    said = _CONTROL.sub(_escaped, message(record).replace("\r\n", "\n"))
    return f"{record.name}{_in_brackets(record)}: {said}".replace("\n", "\n    ")


def prioritized(record: logging.LogRecord) -> str:
    """For standard error under systemd: no time, and each line with its priority, as sd-daemon(3) has it."""
    return "\n".join(f"<{priority(record)}>{line}" for line in indented(record).split("\n"))


def json_with(node: str) -> Form:
    """One JSON object per line; `node` is in each of them."""

    def form(record: logging.LogRecord) -> str:
        about = fields_of(record)
        document = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "node": node,
            **(about.named() if about else {}),
            "message": _fit(record, _shown(record)),
        }
        if record.exc_info or record.exc_text:
            document["traceback"] = _fit(record, traceback_of(record))
        return json.dumps(document, ensure_ascii=False)

    return form


def _shown(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, or whose own text raises
        return f"{record.msg!r} (arguments do not fit: {type(error).__name__})"


def _fit(record: logging.LogRecord, text: str) -> str:
    about = fields_of(record)
    if about is not None:
        text = about.masked(text)
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}… ({len(text) - MOST_CHARACTERS} characters left out)"


def _at(record: logging.LogRecord) -> str:
    return to_rfc3339(datetime.fromtimestamp(record.created, UTC))


def _in_brackets(record: logging.LogRecord) -> str:
    """` [job=4711 run=12 task=invoices.create client=acme]`, empty for a line about no run."""
    about = fields_of(record)
    named = about.named() if about else {}
    return f" [{' '.join(f'{name}={_value(value)}' for name, value in named.items())}]" if named else ""


def _value(value: int | str) -> str:
    shown = str(value)
    return shown if _PLAIN_VALUE.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
