"""Arguments of a task that can't be imported here, checked by the JSON schema that its node published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from taskserver.tasks import sentences
from taskserver.tasks.errors import InvalidArguments

_BOOLEANS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def validate_by_schema(schema: dict[str, Any], data: Any, *, task: str = "") -> dict[str, Any]:
    """`data` as it may be stored. Raises InvalidArguments, which names every argument at fault."""
    if not isinstance(data, dict):
        raise InvalidArguments(task, [sentences.no_object(data)])
    known = list(schema.get("properties", {}))
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(task, [sentences.not_json("", error)]) from None
    errors = sorted(_validator(schema).iter_errors(data), key=lambda error: [str(step) for step in error.path])
    faults = [fault for error in errors for fault in sentences.from_jsonschema(error, known)]
    if faults:
        raise InvalidArguments(task, list({str(fault): fault for fault in faults}.values()))
    return data


def coerce_by_schema(schema: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """The words of a command line as values of the schema's types; what fits nothing stays a word."""
    return {name: _coerced(schema, name, word) for name, word in words.items()}


def _coerced(schema: dict[str, Any], name: str, word: str) -> Any:
    rest = schema.get("additionalProperties", {})
    expected = schema.get("properties", {}).get(name, rest)
    if not isinstance(expected, dict):
        return word
    validator = _validator({"$defs": schema.get("$defs", {}), "allOf": [expected]})
    return next((value for value in _readings(word) if validator.is_valid(value)), sentences.list_or_object(word))


def _readings(word: str) -> Iterator[Any]:
    yield word
    if word.lower() in _BOOLEANS:
        yield _BOOLEANS[word.lower()]
    try:
        yield json.loads(word)
    except ValueError:
        return


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
