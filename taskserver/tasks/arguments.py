"""The arguments of a Python task, read by the annotations of its parameters (pydantic).

Stored arguments are JSON; pydantic reads them strictly, in its JSON mode: `"5"` is no number, but a date, a path
or a decimal may be written as a text. Only the words of a command line are read leniently.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from functools import cached_property
from inspect import Parameter, unwrap
from types import SimpleNamespace
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from taskserver.tasks import sentences
from taskserver.tasks.errors import ArgumentFault, InvalidArguments, InvalidTask
from taskserver.tasks.signatures import arguments_of
from taskserver.texts import mark


class _Unreadable(Exception):
    """One argument's faults."""

    def __init__(self, faults: list[ArgumentFault]) -> None:
        self.faults = faults


class FunctionArguments:
    """Reads the arguments of one function. See `taskserver.tasks.definition.Arguments`."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function
        self._named, self._rest = arguments_of(function)

    def validate(self, data: Any) -> dict[str, Any]:
        values = self._read(data)
        return {argument: self._dumped(argument, value) for argument, value in values.items()}

    def bind(self, data: Any) -> dict[str, Any]:
        return self._read(data)

    def coerce(self, words: dict[str, str]) -> dict[str, Any]:
        return {argument: self._coerced(argument, word) for argument, word in words.items()}

    def schema(self) -> dict[str, Any]:
        try:
            schemas, definitions = TypeAdapter.json_schemas(
                [(argument, "validation", adapter) for argument, adapter in self._adapters.items()]
            )
        except PydanticUserError as error:
            reason = mark("an argument's type has no JSON schema: {problem}")
            raise InvalidTask(self._name, reason, problem=_first_line(error)) from error
        properties = {argument: dict(schemas[argument, "validation"]) for argument in self._named}
        for argument, value in self.defaults().items():
            properties[argument]["default"] = value
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        schema["required"] = [n for n, p in self._named.items() if p.default is Parameter.empty]
        schema["additionalProperties"] = bool(self._rest)
        if self._rest and schemas[self._rest.name, "validation"]:
            schema["additionalProperties"] = schemas[self._rest.name, "validation"]
        return schema | {key: value for key, value in definitions.items() if key == "$defs"}

    def defaults(self) -> dict[str, Any]:
        """The defaults that are plain JSON values; others stay the function's own affair."""
        found = {name: p.default for name, p in self._named.items() if p.default is not Parameter.empty}
        return {name: value for name, value in found.items() if _is_plain(value)}

    def _read(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise InvalidArguments(self._name, [sentences.no_object(data)])
        faults, values = self._names_at_fault(data), {}
        for argument, value in data.items():
            try:
                if argument in self._named or self._rest:
                    values[argument] = self._value(argument, value)
            except _Unreadable as unreadable:
                faults += unreadable.faults
        if faults:
            raise InvalidArguments(self._name, faults)
        return values

    def _names_at_fault(self, data: dict[str, Any]) -> list[ArgumentFault]:
        required = (n for n, p in self._named.items() if p.default is Parameter.empty)
        faults = [sentences.missing(name) for name in required if name not in data]
        for name in data:
            if name not in self._named and (self._rest is None or not isinstance(name, str)):
                faults.append(sentences.unknown(str(name), self._named))
        return faults

    def _value(self, argument: str, value: Any) -> Any:
        try:
            text = to_json(value)
            if b"NaN" in text or b"Infinity" in text:
                json.loads(text, parse_constant=_refuse)
            return self._adapter(argument).validate_json(text, strict=True)
        except ValidationError as error:
            raise _Unreadable(_faults(argument, error, value)) from None
        except PydanticSerializationError as error:
            raise _Unreadable([sentences.not_json(argument, _first_line(error))]) from None
        except (ValueError, RecursionError) as error:
            raise _Unreadable([sentences.not_json(argument, error)]) from None

    def _dumped(self, argument: str, value: Any) -> Any:
        try:
            plain = self._adapter(argument).dump_python(value, mode="json", warnings=False)
            json.dumps(plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArguments(self._name, [sentences.not_json(argument, error)]) from None
        return plain

    def _coerced(self, argument: str, word: str) -> Any:
        """The word read leniently, else as JSON; else a list or an object as such, else the word as it is."""
        if argument not in self._named and self._rest is None:
            return word
        adapter = self._adapter(argument)
        for as_json in (False, True):
            try:
                value = adapter.validate_python(from_json(word) if as_json else word)
                return adapter.dump_python(value, mode="json", warnings=False)
            except (ValueError, PydanticSerializationError):
                continue
        return sentences.list_or_object(word)

    def _adapter(self, argument: str) -> TypeAdapter[Any]:
        if argument not in self._named and self._rest is not None:
            argument = self._rest.name
        return self._adapters[argument]

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        parameters = [*self._named.values(), *([self._rest] if self._rest else [])]
        return {parameter.name: self._adapter_of(parameter) for parameter in parameters}

    def _adapter_of(self, parameter: Parameter) -> TypeAdapter[Any]:
        if parameter.annotation is Parameter.empty:
            return TypeAdapter(Any)
        try:
            holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
            names = getattr(unwrap(self._function), "__globals__", {})
            hints = typing.get_type_hints(holder, globalns=names, include_extras=True)
            return TypeAdapter(hints[parameter.name])
        except (NameError, AttributeError, SyntaxError, TypeError, PydanticUserError) as error:
            reason = mark("the type of argument {argument} can't be used: {problem}")
            raise InvalidTask(self._name, reason, argument=parameter.name, problem=_first_line(error)) from error


def _faults(argument: str, error: ValidationError, value: Any) -> list[ArgumentFault]:
    found = error.errors(include_url=False)
    faults = [sentences.from_pydantic(argument, {**entry, "input": entry.get("input", value)}) for entry in found]
    return list({str(fault): fault for fault in faults}.values())


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return value - value == 0  # neither NaN nor infinite
    return value is None or type(value) in (str, int, bool)


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
