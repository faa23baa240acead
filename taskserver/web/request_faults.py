"""What is wrong with a request that does not fit its route: a sentence for each field, in the reader's language.

FastAPI and pydantic find the faults; their own sentences, which are English, are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError

from taskserver.texts import mark, plural, translate

NO_NUL = r"^[^\x00]*$"
NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
UNKNOWN_PARAMETER = "unknown_parameter"
"""The kind of fault that a route's parameters can't have: `ctx` holds the names that are `known`."""

_MOST_FAULTS = 10
_QUOTED = re.compile(r"'[^']*'")

_TEXTS = {
    "missing": mark("is missing"),
    "string_type": mark("must be a text"),
    "string_unicode": mark("must not hold half a character (a lone surrogate)"),
    "int_type": mark("must be a whole number"),
    "int_parsing": mark("must be a whole number"),
    "int_from_float": mark("must be a whole number"),
    "int_parsing_size": mark("is a number of too many digits"),
    "float_type": mark("must be a number"),
    "float_parsing": mark("must be a number"),
    "bool_type": mark("must be true or false"),
    "bool_parsing": mark("must be true or false"),
    "list_type": mark("must be a list"),
    "dict_type": mark("must be an object"),
    "model_type": mark("must be an object"),
    "model_attributes_type": mark("must be an object"),
    "greater_than_equal": mark("must be at least {ge}"),
    "less_than_equal": mark("must be at most {le}"),
}
_COUNTED = {
    "string_too_short": "min_length",
    "string_too_long": "max_length",
    "too_short": "min_length",
    "too_long": "max_length",
}
"""Kinds whose sentence has a number, and where the fault has it."""

_OF_PATTERNS = {
    NO_NUL: mark("must not contain the character NUL"),
    NAME: mark("must not be blank, and must not hold control characters"),
}
_OTHER = mark("is not what it must be")


class Unfit(ValueError):
    """Raised by our own validators: `text` is for the catalogue, what is wrong with a field, without its name."""

    def __init__(self, text: str, **fields: Any) -> None:
        self.text = text
        self.fields = fields
        super().__init__(text.format(**fields))


@dataclass(frozen=True)
class RequestFault:
    """`message` says what is wrong with `field`; `sentence` says it with the field's name."""

    field: str
    message: str
    sentence: str


def faults_of(error: RequestValidationError, content_type: str) -> list[RequestFault]:
    return list(_faults(error, content_type))


def _faults(error: RequestValidationError, content_type: str) -> Iterator[RequestFault]:
    if isinstance(error.body, bytes) and "json" not in content_type:  # else FastAPI only says that it is no object
        kind = ascii(content_type[:100])
        yield _named("Content-Type", translate("must be application/json, not {kind}", kind=kind))
        return
    for each in error.errors()[:_MOST_FAULTS]:
        yield _fault(each, error.body)


def _fault(fault: Mapping[str, Any], body: Any) -> RequestFault:
    kind, more, name = fault.get("type"), fault.get("ctx") or {}, _place(fault)
    if kind == "json_invalid":
        return _of_body(_no_json(str(body or ""), int(fault["loc"][-1])))
    if not name:
        return _of_body(_message(kind, more))
    if kind == UNKNOWN_PARAMETER:
        known = ", ".join(sorted(more["known"])) or "-"
        message = translate("there is no such parameter (known: {known})", known=known)
        return RequestFault(name, message, translate("there is no parameter {name}", name=name))
    if kind == "extra_forbidden":
        return RequestFault(
            name, translate("there is no such field"), translate("there is no field {name}", name=name)
        )
    return _named(name, _message(kind, more))


def _named(name: str, message: str) -> RequestFault:
    return RequestFault(name, message, f"{name} {message}")


def _of_body(message: str) -> RequestFault:
    return RequestFault("body", message, translate("the body {message}", message=message))


def _no_json(body: str, at: int) -> str:
    if at >= len(body.rstrip()):
        return translate("is no JSON: it ends too early")
    before = body[:at]
    line, column = before.count("\n") + 1, at - before.rfind("\n")
    return translate("is no JSON: line {line}, character {column}", line=line, column=column)


def _message(kind: Any, more: Mapping[str, Any]) -> str:
    error = more.get("error")
    if isinstance(error, Unfit):
        return translate(error.text, **error.fields)
    if kind in _COUNTED:
        return _counted(kind, int(more[_COUNTED[kind]]))
    if kind in ("literal_error", "enum"):
        expected = ", ".join(_QUOTED.findall(more["expected"]))
        return translate("must be one of {expected}", expected=expected)
    if kind == "string_pattern_mismatch":
        text = _OF_PATTERNS.get(more["pattern"])
        return translate(text) if text else translate("must match {pattern}", pattern=more["pattern"])
    return translate(_TEXTS.get(kind, _OTHER), **more)


def _counted(kind: str, count: int) -> str:
    if kind == "string_too_short" and count == 1:
        return translate("must not be empty")
    if kind == "string_too_short":
        return plural("must have at least {count} character", "must have at least {count} characters", count)
    if kind == "string_too_long":
        return plural("must have at most {count} character", "must have at most {count} characters", count)
    if kind == "too_short":
        return plural("must have at least {count} element", "must have at least {count} elements", count)
    return plural("must have at most {count} element", "must have at most {count} elements", count)


def _place(fault: Mapping[str, Any]) -> str:
    """The name of what is at fault; "(one)" and the like are the API's own words for the shape of a body."""
    parts = [str(part) for part in fault["loc"][1:] if not str(part).startswith("(")]
    return ".".join(parts)[:80].encode("utf-8", "backslashreplace").decode()
