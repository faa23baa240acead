"""The arguments of a task as fields of a form, made from its JSON schema, and read back from what was typed.

What a plain field can't hold (an object, a list of objects) is typed as JSON. The scope checks the result again
against the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskserver.tasks.errors import ArgumentFault, InvalidArguments
from taskserver.tasks.schemas import coerce_by_schema
from taskserver.texts import mark
from taskserver.web.redaction import is_secret

PREFIX = "argument."
"""Before the name of each field, so that an argument may be called as anything else in the form."""
FURTHER = "further_arguments"

Schema = dict[str, Any]

_PLAIN = ("string", "integer", "number", "boolean")
_LONG_TEXT = 200


@dataclass(slots=True)
class ArgumentField:
    """`kind`: text, long, number, date, secret, yes_no, choice, lines (one item each) or json."""

    argument: str
    kind: str
    required: bool
    value: str
    hint: str = ""
    choices: list[str] = field(default_factory=list)
    least: Any = None
    most: Any = None
    is_whole: bool = False
    error: str = ""

    @property
    def name(self) -> str:
        return PREFIX + self.argument if self.argument != FURTHER else FURTHER

    @property
    def id(self) -> str:
        return "field-" + "".join(each if each.isalnum() else "-" for each in self.argument)


class ArgumentForm:
    """The fields of one task's arguments. `known`: the data of an earlier job, to begin with."""

    def __init__(self, task: str, schema: Schema, known: Mapping[str, Any] | None = None) -> None:
        self._task = task
        self._schema = schema
        self._known = known
        required = set(schema.get("required", ()))
        self.fields = [
            self._field(name, _resolved(each, schema), required=name in required)
            for name, each in schema.get("properties", {}).items()
        ]
        if schema.get("additionalProperties", True) is not False:
            rest = {n: v for n, v in (known or {}).items() if n not in schema.get("properties", {})}
            self.fields.append(ArgumentField(FURTHER, "json", False, _json(rest) if rest else ""))

    def read(self, typed: Mapping[str, str]) -> dict[str, Any]:
        """The arguments that were typed; each field keeps what stood in it. A word that fits no type stays a text,
        which the check of the data refuses. Raises InvalidArguments if further arguments are no JSON object."""
        found: dict[str, Any] = {}
        for each in self.fields:
            each.value = typed.get(each.name, "").replace("\r\n", "\n")
        for each in self.fields:
            if each.argument == FURTHER:
                found |= self._object(each.value)
            else:
                self._take(each, found)
        return found

    def blame(self, faults: Iterable[ArgumentFault]) -> None:
        """Says at each field what is wrong with it."""
        by_name = {each.argument: each for each in self.fields}
        for fault in faults:
            known = by_name.get(fault.argument.split(".")[0].split("[")[0]) or by_name.get(FURTHER)
            if known is not None:
                known.error = " ".join(filter(None, (known.error, fault.message())))

    def _take(self, each: ArgumentField, found: dict[str, Any]) -> None:
        if each.kind == "lines":
            lines = [line for line in each.value.split("\n") if line.strip()]
            if lines or each.required:
                items = {
                    "properties": {"item": self._items(each.argument)},
                    "$defs": self._schema.get("$defs", {}),
                }
                found[each.argument] = [coerce_by_schema(items, {"item": line})["item"] for line in lines]
        elif each.value.strip() and each.kind == "json":
            found[each.argument] = _read_json(each.value)
        elif each.value.strip():
            word = each.value if each.kind in ("text", "long", "secret", "choice") else each.value.strip()
            found |= coerce_by_schema(self._schema, {each.argument: word})
        elif not each.required and each.kind in ("text", "long", "secret") and self._default(each.argument):
            found[each.argument] = ""  # emptied on purpose: the default would be another text
        elif each.argument in self._schema.get("required", ()) and _takes_null(self._property(each.argument)):
            found[each.argument] = None

    def _object(self, text: str) -> dict[str, Any]:
        if not text.strip():
            return {}
        found = _read_json(text)
        if not isinstance(found, dict):
            fault = ArgumentFault(FURTHER, mark('must be a JSON object as {"name": "value"}'))
            raise InvalidArguments(self._task, [fault])
        return found

    def _field(self, name: str, schema: Schema, *, required: bool) -> ArgumentField:
        present = (self._known or {}).get(name, self._default(name))
        kind = _kind(name, schema, present)
        lines = "\n".join(map(_text, present)) if kind == "lines" and isinstance(present, list) else None
        return ArgumentField(
            argument=name,
            kind=kind,
            required=required and not (_takes_null(schema)),
            value=lines if lines is not None else _text(present),
            hint=str(schema.get("description") or ""),
            choices=[_text(each) for each in schema.get("enum", ()) if each is not None],
            least=schema.get("minimum"),
            most=schema.get("maximum"),
            is_whole=schema.get("type") == "integer",
        )

    def _property(self, name: str) -> Schema:
        return _resolved(self._schema.get("properties", {}).get(name, {}), self._schema)

    def _items(self, name: str) -> Schema:
        found = self._property(name).get("items", {})
        return found if isinstance(found, dict) else {}

    def _default(self, name: str) -> Any:
        default = self._schema.get("properties", {}).get(name, {})
        return default.get("default") if isinstance(default, dict) else None


def _resolved(schema: Any, whole: Schema, depth: int = 0) -> Schema:
    """Without a reference, and without the null that a value may also be: `nullable` says that there was one."""
    if not isinstance(schema, dict) or depth > 10:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        target = whole.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        return {**_resolved(target, whole, depth + 1), **{k: v for k, v in schema.items() if k != "$ref"}}
    for word in ("anyOf", "oneOf"):
        choices = schema.get(word)
        if isinstance(choices, list):
            rest = [each for each in choices if each != {"type": "null"}]
            if len(rest) == 1:
                more = {key: value for key, value in schema.items() if key != word}
                nullable = {"nullable": True} if len(rest) < len(choices) else {}
                return {**_resolved(rest[0], whole, depth + 1), **more, **nullable}
    if "const" in schema:
        return {**schema, "enum": [schema["const"]]}
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        rest = [each for each in kinds if each != "null"]
        return {**schema, "type": rest[0] if len(rest) == 1 else rest, "nullable": True}
    return schema


def _takes_null(schema: Schema) -> bool:
    return bool(schema.get("nullable"))


def _kind(name: str, schema: Schema, present: Any) -> str:
    wanted = schema.get("type")
    if isinstance(present, dict) or (isinstance(present, list) and wanted != "array"):
        return "json"
    if isinstance(schema.get("enum"), list):
        return "choice"
    is_text = wanted == "string" or (isinstance(wanted, list) and "string" in wanted)
    if is_text:
        hides = is_secret(name) or schema.get("format") == "password"
        return "secret" if hides else _kind_of_text(schema, present)
    if is_secret(name) and wanted in _PLAIN:
        return "text"  # what hides it is no number
    if wanted == "array" and _has_plain_items(schema, present):
        return "lines"
    kinds = {"boolean": "yes_no", "integer": "number", "number": "number"}
    return kinds.get(wanted, "json") if isinstance(wanted, str) else "json"


def _kind_of_text(schema: Schema, present: Any) -> str:
    if schema.get("format") == "date":
        return "date"
    is_long = isinstance(present, str) and ("\n" in present or len(present) > _LONG_TEXT)
    return "long" if is_long else "text"


def _has_plain_items(schema: Schema, present: Any) -> bool:
    items = schema.get("items")
    plain = isinstance(items, dict) and items.get("type") in _PLAIN and "prefixItems" not in schema
    texts = present if isinstance(present, list) else []
    return plain and not any("\n" in each or not each.strip() for each in texts if isinstance(each, str))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None)


def _read_json(text: str) -> Any:
    """The JSON value, or the text itself if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
