"""Column types that mean the same on every database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from taskserver.clock import from_text, to_text

INSTANT_PATTERN = (
    "[1-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]"
)
"""The GLOB that holds SQLite's instants to one text form."""


class Instant(TypeDecorator[datetime]):
    """An instant, aware and in UTC: `timestamptz`, in SQLite the text form of `clock.to_text`."""

    impl = String(26)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(26))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return read_instant(value)


def read_instant(value: Any) -> datetime | None:
    """An instant as a driver returned it, aware and in UTC."""
    if value is None:
        return None
    return from_text(value) if isinstance(value, str) else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON document; None is SQL's NULL. Kept as text, so that what was written is read back unchanged."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import JSON

            # Text in and out: (de)serialising stays with this class, on every database alike.
            return dialect.type_descriptor(JSON())
        return dialect.type_descriptor(Text())

    def bind_processor(self, dialect: Dialect) -> Any:
        return dump_json

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return load_json


def dump_json(value: Any) -> str | None:
    """The JSON text of `value`, None for None. Raises ValueError for NaN and infinities, which JSON lacks."""
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load_json(value: Any) -> Any:
    """The value of a JSON text; a value that the driver has parsed already is passed on.

    A text that the database takes for JSON and Python does not (numbers of 5,000 digits, a thousand levels) comes
    back as it is: one such row must not keep all others from being read.
    """
    if isinstance(value, str | bytes):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
