"""A form for a task's arguments, made from the JSON schema that its node published, and the data that it sends.

A field that is left empty is an argument that is left out: the task's own default counts. What a plain field could
not give back as it was (nested objects, an empty text in place of a default) gets a field for JSON. What may be
stored is for the schema to say, when the job or the entry is written; `Fields.with_faults` brings its answer back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from taskserver.tasks.errors import ArgumentFault, InvalidArguments
from taskserver.tasks.schemas import validate_by_schema
from taskserver.texts import language, mark, translate
from taskserver.web import moments
from taskserver.web.redaction import HIDDEN, is_secret

PLAIN, AS_JSON, MORE = "a.", "j.", "m."
"""What the names of a form's fields begin with: an argument, one as JSON, all others in one JSON object."""

UNREADABLE = mark("is no JSON")
UNREADABLE_AT = mark("is no JSON: look at line {line}, column {column}")
NO_OBJECT = mark('must be one JSON object, as in {"name": "value"}')

_LIST_ITEMS = frozenset({"text", "integer", "number"})
_LONG_TEXT = 80


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is text, multiline, secret, integer, number, boolean, choice, date, instant, list (one item a
    line) or json; `value` is the text in it, `choices` are pairs of value and label, `fault` a sentence."""

    argument: str
    name: str
    kind: str
    required: bool = False
    hint: str = ""
    default: str = ""
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    fault: str = ""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-", 1)

    @property
    def is_hidden(self) -> bool:
        """Whether it stands for a secret that is not shown."""
        return self.value == HIDDEN


@dataclass(frozen=True, slots=True)
class Fields:
    """The form of one task. Iterate it for the fields; `faults` belong to none of them."""

    fields: tuple[Field, ...]
    faults: tuple[str, ...] = field(default=())

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def with_faults(self, faults: Iterable[ArgumentFault]) -> Fields:
        """The same, each sentence at its field: as `InvalidArguments.faults` has them."""
        at, rest = dict[str, str](), list[str]()
        names = sorted((each.argument for each in self.fields if each.argument), key=len, reverse=True)
        for fault in faults:
            path = fault.argument
            name = next((n for n in names if path == n or path.startswith((f"{n}.", f"{n}["))), None)
            if name is None:
                rest.append(fault.message())
                continue
            sentence = translate(fault.text, **fault.fields)
            told = sentence if path == name else f"{path}: {sentence}"
            at[name] = f"{at[name]}; {told}" if name in at else told
        fields = (replace(each, fault=at.get(each.argument, each.fault)) for each in self.fields)
        return Fields(tuple(fields), (*self.faults, *rest))


def fields_of(schema: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> Fields:
    """The form for a task, filled with the data of a job or an entry, secrets as `redacted` shows them."""
    data = data or {}
    fields = [_filled(_Argument(schema, name), data) for name in _properties(schema)]
    if _takes_more(schema):
        more = {name: value for name, value in data.items() if name not in _properties(schema)}
        text = json.dumps(more, indent=2, ensure_ascii=False) if more else ""
        fields.append(Field("", MORE, "json", value=text))
    return Fields(tuple(fields))


def fields_as_posted(schema: Mapping[str, Any], posted: Mapping[str, str]) -> Fields:
    """The form as somebody has filled it in, to be shown again."""
    fields = []
    for name in _properties(schema):
        argument = _Argument(schema, name)
        plain = argument.field()
        if AS_JSON + name in posted:
            plain = replace(plain, name=AS_JSON + name, kind="json", choices=())
        value = _lines(posted.get(plain.name, ""))
        fields.append(replace(plain, value=value, kind=_wide(plain.kind, value)))
    if _takes_more(schema):
        fields.append(Field("", MORE, "json", value=_lines(posted.get(MORE, ""))))
    return Fields(tuple(fields))


def read(schema: Mapping[str, Any], posted: Mapping[str, str], *, task: str = "") -> dict[str, Any]:
    """The data that the form sends. Raises InvalidArguments for what is no JSON where JSON is asked for.

    A word that is no number stays a word: what is checked against the schema afterwards says so.
    """
    data: dict[str, Any] = {}
    faults: list[ArgumentFault] = []
    for name in _properties(schema):
        try:
            if AS_JSON + name in posted:
                text = posted[AS_JSON + name].strip()
                data |= {name: _json(text)} if text else {}
            else:
                data |= _Argument(schema, name).read(_lines(posted.get(PLAIN + name, "")))
        except ValueError as error:
            faults.append(_unreadable(name, error))
    try:
        more = _json(posted.get(MORE, "").strip() or "{}") if _takes_more(schema) else {}
        if not isinstance(more, dict):
            faults.append(ArgumentFault("", NO_OBJECT))
        else:
            data |= {name: value for name, value in more.items() if name not in data}
    except ValueError as error:
        faults.append(_unreadable("", error))
    if faults:
        raise InvalidArguments(task, [*faults, *_faults_of_others(schema, data, faults)])
    return data


def _unreadable(name: str, error: ValueError) -> ArgumentFault:
    if isinstance(error, json.JSONDecodeError):
        return ArgumentFault(name, UNREADABLE_AT, {"line": error.lineno, "column": error.colno})
    return ArgumentFault(name, UNREADABLE)


def _faults_of_others(
    schema: Mapping[str, Any], data: dict[str, Any], known: Sequence[ArgumentFault]
) -> list[ArgumentFault]:
    """What is wrong with the arguments that could be read, so that all is told in one go."""
    unread = {fault.argument for fault in known}
    if "" in unread:  # what else there is, is not known
        return []
    try:
        validate_by_schema(dict(schema), data)
    except InvalidArguments as error:
        return [fault for fault in error.faults if re.split(r"[.\[]", fault.argument)[0] not in unread]
    return []


class _Argument:
    """One property of the schema, seen as a field."""

    def __init__(self, schema: Mapping[str, Any], name: str) -> None:
        self._root = schema
        self.name = name
        self._given: dict[str, Any] = _properties(schema)[name]
        self._required = name in schema.get("required", ())
        self._type, self._nullable = self._without_null(self._resolved(self._given))
        self.kind = self._kind()

    def field(self) -> Field:
        default = self._given.get("default")
        known = default is not None and default != "" and not self._hides()
        return Field(
            self.name,
            PLAIN + self.name,
            "secret" if self.kind == "text" and self._hides() else self.kind,
            required=self._required and self.kind != "boolean" and not self._nullable,
            hint=str(self._given.get("description") or self._type.get("description") or ""),
            default=self._shown(default) if known else "",
            choices=self._choices(),
        )

    def shown(self, value: Any) -> str | None:
        """The text of the field for a value; None if reading it would not give the value back."""
        text = self._shown(value)
        again = self.read(text)
        if self.name not in again or "\r" in text:
            return None
        read = again[self.name]
        if self.kind == "instant":
            return text if _same_instant(read, value) else None
        if self.kind == "date" and not _is_date(text):  # a browser would show an empty field
            return None
        if isinstance(value, bool) != isinstance(read, bool):
            return None
        loose = self.kind == "text" and isinstance(value, int | float)
        return text if read == value or (loose and read == str(value)) else None

    def preset(self) -> str:
        """What stands in the field of a new form: nothing, where leaving it empty means the default."""
        default = self._given.get("default")
        return self._shown(default) if self.kind == "boolean" and default is not None else ""

    def read(self, text: str) -> dict[str, Any]:
        if self.kind == "boolean":
            return {self.name: text.strip() in ("true", "on")}
        if text == "" or (self.kind != "text" and not text.strip()):
            return {self.name: None} if self._required and self._nullable else {}
        return {self.name: self._value(text)}

    def _hides(self) -> bool:
        return is_secret(self.name) or self._type.get("format") == "password"

    def _value(self, text: str) -> Any:
        if self.kind == "list":
            item = self._item_kind()
            return [_word(line, item) for line in text.split("\n") if line.strip()]
        if self.kind == "choice":
            return next((each for each in self._values() if self._shown(each) == text), text)
        if self.kind == "instant":
            return _instant(text.strip())
        return _json(text) if self.kind == "json" else _word(text, self.kind)

    def _shown(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if self.kind == "list" and isinstance(value, list) and value:
            return "\n".join(map(str, value))
        if self.kind == "instant" and isinstance(value, str):
            return _wall(value)
        if isinstance(value, str) and self.kind != "json":
            return value
        if isinstance(value, int | float) and self.kind != "json":
            return str(value)
        return json.dumps(value, ensure_ascii=False, indent=2 if self.kind == "json" else None)

    def _kind(self) -> str:
        kind, pattern = self._type.get("type"), self._type.get("format")
        if "enum" in self._type or "const" in self._type:
            return "choice"
        if kind == "boolean":
            return "choice" if self._nullable or not (self._required or "default" in self._given) else "boolean"
        if kind == "string":
            return {"date": "date", "date-time": "instant"}.get(str(pattern), "text")
        if kind == "array":
            return "list" if self._item_kind() in _LIST_ITEMS else "json"
        if kind in ("integer", "number"):
            return str(kind)
        return "text" if self._is_text_or_number() else "json"

    def _item_kind(self) -> str:
        items = self._resolved(self._type.get("items") or {})
        if "enum" in items:
            return "text" if all(isinstance(each, str) for each in _as_list(items["enum"])) else "json"
        return {"string": "text", "integer": "integer", "number": "number"}.get(str(items.get("type")), "json")

    def _is_text_or_number(self) -> bool:
        """A command's argument, or a decimal."""
        given = _as_list(self._type.get("anyOf"))
        choices = given or [{"type": kind} for kind in _as_list(self._type.get("type"))]
        kinds = [self._resolved(choice).get("type") for choice in choices]
        return bool(kinds) and all(kind in ("string", "number", "integer") for kind in kinds)

    def _values(self) -> list[Any]:
        if self._type.get("type") == "boolean":
            return [True, False]
        return _as_list(self._type["enum"]) if "enum" in self._type else [self._type["const"]]

    def _choices(self) -> tuple[tuple[str, str], ...]:
        if self.kind != "choice":
            return ()
        if self._type.get("type") == "boolean":
            return ((self._shown(True), translate("yes")), (self._shown(False), translate("no")))
        return tuple((self._shown(each), self._shown(each)) for each in self._values())

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(20):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str):
                break
            schema = self._root.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return schema if isinstance(schema, dict) else {}

    def _without_null(self, schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        choices = schema.get("anyOf")
        if isinstance(choices, list):
            rest = [choice for choice in choices if choice != {"type": "null"}]
            if len(rest) < len(choices):
                return (self._resolved(rest[0]) if len(rest) == 1 else {"anyOf": rest}), True
        kinds = _as_list(schema.get("type"))
        if "null" in kinds and len(kinds) > 1:
            rest_of_kinds = [kind for kind in kinds if kind != "null"]
            return {**schema, "type": rest_of_kinds[0] if len(rest_of_kinds) == 1 else rest_of_kinds}, True
        return schema, False


def _filled(argument: _Argument, data: Mapping[str, Any]) -> Field:
    plain = argument.field()
    if argument.name not in data:
        return replace(plain, value=argument.preset())
    value = data[argument.name]
    text = argument.shown(value)
    if text is None:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        return replace(plain, name=AS_JSON + argument.name, kind="json", value=text, choices=())
    if plain.kind == "choice" and text not in dict(plain.choices):  # it was allowed once
        plain = replace(plain, choices=(*plain.choices, (text, text)))
    return replace(plain, value=text, kind=_wide(plain.kind, text))


def _wide(kind: str, text: str) -> str:
    return "multiline" if kind == "text" and ("\n" in text or len(text) > _LONG_TEXT) else kind


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = schema.get("properties") or {}
    return {name: each if isinstance(each, dict) else {} for name, each in found.items()}


def _takes_more(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties", True) is not False


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value is not None else []


def _lines(text: str) -> str:
    """Browsers end the lines of a form with CR LF."""
    return text.replace("\r\n", "\n")


def _word(text: str, kind: str) -> Any:
    number = text.strip()
    if kind == "number" and language() == "de" and number.count(",") == 1 and "." not in number:
        number = number.replace(",", ".")
    try:
        if kind == "integer":
            return int(number) if len(number) < 400 else text
        if kind == "number":
            value = json.loads(number)
            return value if isinstance(value, int | float) and not isinstance(value, bool) else text
    except ValueError:
        return text
    return number if kind == "date" else text


def _json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _instant(text: str) -> str:
    """What a field for date and time sends, in the reader's zone; anything else as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo else moment.replace(tzinfo=moments.zone()).isoformat()


def _wall(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return text
    return moment.astimezone(moments.zone()).replace(tzinfo=None).isoformat(timespec="seconds")


def _same_instant(text: Any, other: Any) -> bool:
    try:
        one, two = datetime.fromisoformat(text), datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return False
    return one.tzinfo is not None and two.tzinfo is not None and one == two


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
