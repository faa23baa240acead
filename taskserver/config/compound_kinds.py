"""The kinds of values that are made of others: lists, command lines, tables.

A wrong part is told with its place: `WrongValue.item` for a list, `WrongValue.below` for a table.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from taskserver.config.faults import WrongValue, shown
from taskserver.config.kinds import Kind
from taskserver.texts import mark


class ListOf(Kind):
    """A list whose items are all of one kind. In an INI file commas or white space separate them."""

    def __init__(self, item: Kind, *, empty: bool = True) -> None:
        super().__init__()
        self.item, self.empty = item, empty

    def parse(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise WrongValue(mark("must be a list, not {value}"), value=shown(value))
        if not value and not self.empty:
            raise WrongValue(mark("must not be an empty list"))
        return tuple(self._items(value))

    def _items(self, values: list[Any] | tuple[Any, ...]) -> list[Any]:
        items, wrong = [], []
        for number, value in enumerate(values, start=1):
            try:
                items.append(self.item(value))
            except WrongValue as error:
                error.item = number
                wrong.append(error)
        _raise_all(wrong)
        return items

    def read(self, text: str) -> list[Any]:
        return [self.item.read(part) for part in re.split(r"[,\s]+", text) if part]

    def write(self, value: tuple[Any, ...]) -> list[Any]:
        return [self.item.write(item) for item in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), **({} if self.empty else {"minItems": 1})}


class Argv(ListOf):
    """A program with its arguments. In an INI file it is split as a shell's words are."""

    def read(self, text: str) -> list[Any]:
        try:
            return list(shlex.split(text))
        except ValueError:
            raise WrongValue(mark("has a quotation mark or a backslash at its end that nothing closes")) from None


class TableOf(Kind):
    """A table whose names match `pattern` and whose values are all of one kind."""

    def __init__(self, item: Kind, *, pattern: str, wanted: str) -> None:
        super().__init__()
        self.item, self.pattern, self.wanted = item, pattern, wanted

    def parse(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongValue(mark("must be a table, not {value}"), value=shown(value))
        items, wrong = {}, []
        for name, item in value.items():
            try:
                items[name] = self._item(name, item)
            except WrongValue as error:
                error.below = (name,)
                wrong.append(error)
        _raise_all(wrong)
        return items

    def _item(self, name: str, value: Any) -> Any:
        if not re.fullmatch(self.pattern, name):
            raise WrongValue(self.wanted)
        return self.item(value)

    def write(self, value: dict[str, Any]) -> dict[str, Any]:
        return {name: self.item.write(item) for name, item in value.items()}

    def schema(self) -> dict[str, Any]:
        names = {"pattern": f"^({self.pattern})$"}
        return {"type": "object", "propertyNames": names, "additionalProperties": self.item.schema()}


def _raise_all(wrong: list[WrongValue]) -> None:
    """The first, with the others along with it; nothing where nothing is wrong."""
    if wrong:
        wrong[0].also = wrong[1:]
        raise wrong[0]
