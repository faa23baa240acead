"""One sentence for each way in which an argument can be wrong, whoever found it: pydantic or jsonschema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from taskserver.errors import did_you_mean
from taskserver.redaction import HIDDEN, is_secret, redacted
from taskserver.tasks.errors import ArgumentFault
from taskserver.texts import mark

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

WHOLE_NUMBER = mark("must be a whole number, not {value}")
NUMBER = mark("must be a number, not {value}")
TEXT = mark("must be a text, not {value}")
BOOLEAN = mark("must be true or false, not {value}")
LIST = mark("must be a list, not {value}")
OBJECT = mark("must be an object, not {value}")
DATE = mark("must be a date like 2026-11-22, not {value}")
INSTANT = mark("must be a date and time like 2026-11-22T08:00:00+01:00, not {value}")
CHOICE = mark("must be one of {expected}, not {value}")
FINITE = mark("must be a finite number, not {value}")
NOT_JSON = mark("can't be written as JSON: {problem}")
OTHER = mark("{problem}")
SECRET = mark("is not what the task takes")
"""What is said of a secret where somebody else's sentence might tell it."""

_BY_PYDANTIC = {
    "int": WHOLE_NUMBER,
    "float": NUMBER,
    "decimal": NUMBER,
    "string": TEXT,
    "path": TEXT,
    "bool": BOOLEAN,
    "list": LIST,
    "tuple": LIST,
    "set": LIST,
    "frozen": LIST,
    "dict": OBJECT,
    "model": OBJECT,
    "dataclass": OBJECT,
    "mapping": OBJECT,
    "date": DATE,
    "datetime": INSTANT,
}
_VALIDATORS_OWN = ("value_error", "assertion_error")
"""Kinds whose sentence comes from the task; pydantic's own sentences never quote the value."""

_TYPE_ENDINGS = ("type", "parsing", "from", "attributes")

_BY_SCHEMA = {
    "integer": WHOLE_NUMBER,
    "number": NUMBER,
    "string": TEXT,
    "boolean": BOOLEAN,
    "array": LIST,
    "object": OBJECT,
}


def missing(argument: str) -> ArgumentFault:
    return ArgumentFault(argument, mark("is missing"))


def unknown(argument: str, known: Iterable[str]) -> ArgumentFault:
    known = list(known)
    if not known:
        return ArgumentFault(argument, mark("is unknown: the task takes no arguments"))
    hint = did_you_mean(argument, known)
    return ArgumentFault(
        argument, mark("is unknown{hint} (known: {known})"), {"hint": hint, "known": ", ".join(known)}
    )


def no_object(data: Any) -> ArgumentFault:
    return ArgumentFault("", mark("the arguments must be one JSON object, not {value}"), {"value": shown(data)})


def not_json(argument: str, problem: Any) -> ArgumentFault:
    return ArgumentFault(argument, NOT_JSON, {"problem": problem})


def from_pydantic(argument: str, error: Mapping[str, Any]) -> ArgumentFault:
    """The fault for one entry of `ValidationError.errors()`."""
    kind = str(error["type"])
    path = argument + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    fields: dict[str, Any] = {"value": shown(error.get("input"), argument, *error["loc"])}
    if kind in ("enum", "literal_error"):
        return ArgumentFault(path, CHOICE, fields | {"expected": error["ctx"]["expected"]})
    if kind == "finite_number":
        return ArgumentFault(path, FINITE, fields)
    stem, _, ending = kind.partition("_")
    if ending.split("_")[0] in _TYPE_ENDINGS and stem in _BY_PYDANTIC:
        return ArgumentFault(path, _BY_PYDANTIC[stem], fields)
    if kind not in _VALIDATORS_OWN:
        return ArgumentFault(path, OTHER, {"problem": str(error["msg"])})
    return _quoted(path, str(error["msg"]), error.get("input"), (argument, *error["loc"]))


NO_NUL_PATTERN = r"^[^\u0000]*$"
NO_DASH_PATTERN = r"^(?!-)[^\u0000]*$"
"""Of a command's arguments in its published schema, so that those who can't see the command refuse them, too."""

NO_NUL = mark("must not contain the character NUL")
NO_DASH = mark("must not begin with '-', since the command would take {value} for an option")


def from_jsonschema(error: ValidationError, known: Iterable[str]) -> list[ArgumentFault]:
    """The faults for one error of jsonschema; a missing and an unknown argument are named each."""
    expected: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "anyOf" and (inner := _of_optional(error, expected)):
        return [fault for one in inner for fault in from_jsonschema(one, known)]
    if not error.absolute_path and error.validator == "required":
        return [missing(name) for name in expected if name not in given]
    if not error.absolute_path and error.validator == "additionalProperties":
        return [unknown(name, known) for name in given if name not in known]
    return [_wrong_value(error, expected)]


def _of_optional(error: ValidationError, choices: list[Any]) -> list[ValidationError]:
    """What is wrong with a value that may be null as well (`X | None`), seen as an X. Empty for other choices."""
    other = [number for number, choice in enumerate(choices) if choice != {"type": "null"}]
    return [one for one in error.context or () if one.schema_path[0] in other] if len(other) == 1 else []


def _wrong_value(error: ValidationError, expected: Any) -> ArgumentFault:
    first, *rest = [*error.absolute_path] or [""]
    path = str(first) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)
    fields: dict[str, Any] = {"value": shown(error.instance, *error.absolute_path)}
    if error.validator == "type" and isinstance(expected, str) and expected in _BY_SCHEMA:
        return ArgumentFault(path, _BY_SCHEMA[expected], fields)
    if error.validator == "format" and expected in ("date", "date-time"):
        return ArgumentFault(path, DATE if expected == "date" else INSTANT, fields)
    if error.validator == "pattern" and expected in (NO_NUL_PATTERN, NO_DASH_PATTERN):
        return ArgumentFault(path, NO_NUL if "\0" in str(error.instance) else NO_DASH, fields)
    if error.validator == "enum":
        return ArgumentFault(path, CHOICE, fields | {"expected": ", ".join(map(repr, expected))})
    return _quoted(path, error.message, error.instance, error.absolute_path)


def _quoted(path: str, problem: str, value: Any, place: Iterable[Any]) -> ArgumentFault:
    """Somebody else's sentence, unless it may hold a secret: of a value that is one, or has one in it."""
    if _is_secret(place) or redacted(value) != value:
        return ArgumentFault(path, SECRET)
    return ArgumentFault(path, OTHER, {"problem": problem})


def _is_secret(place: Iterable[Any]) -> bool:
    return any(isinstance(step, str) and is_secret(step) for step in place)


def shown(value: Any, *place: Any) -> str:
    """A value as a message shows it: short, on one line, without secrets. `place`: the keys under which it is."""
    text = repr(HIDDEN if _is_secret(place) and value is not None else redacted(value))
    return text if len(text) <= 60 else text[:59] + "…"


def list_or_object(word: str) -> Any:
    """The word as a JSON list or object if it is one, so that what is wrong in it can be named; else the word."""
    try:
        value = json.loads(word)
    except (ValueError, RecursionError):
        return word
    return value if isinstance(value, list | dict) else word
