"""The kinds of values that the API takes: bounded, of one type each, and nothing that a database can't keep.

Nothing is converted silently: a number in quotes is refused, as the OpenAPI document says.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from taskserver.texts import mark
from taskserver.web.request_faults import NAME, NO_NUL, Unfit

BIGGEST = 2**63 - 1
BIGGEST_INTEGER = 2**31 - 1

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_NO_INSTANT = mark("must be a time with its zone, such as 2026-12-24T06:00:00Z or 2026-12-24T06:00:00+01:00")

_DEEPEST = 100


class Given(BaseModel):
    """What a request holds: nothing but the fields that are documented."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Told(BaseModel):
    """What an answer holds."""

    model_config = ConfigDict(extra="ignore")


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise Unfit(
            mark("must be a time with its zone, such as 2026-12-24T06:00:00Z or 2026-12-24T06:00:00+01:00")
        )
    found = datetime.fromisoformat(value.upper())
    if not 1970 <= found.year <= 9000:
        raise Unfit(mark("must lie between the years 1970 and 9000"))
    return found


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    _check(value, 0)
    return value


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unfit(mark("must not be nested deeper than {deepest} levels"), deepest=_DEEPEST)
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, each in value.items():
            _check_text(key)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
    elif isinstance(value, float) and value - value != 0:
        raise Unfit(mark("must not hold NaN or Infinity, which JSON does not have"))


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Unfit(mark("must not contain the character NUL"))
    if not text.isascii() and any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise Unfit(mark("must not hold half a character (a lone surrogate)"))


Instant = Annotated[
    datetime,
    BeforeValidator(
        _instant, json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    ),
]
"""RFC 3339, with its zone."""

Data = Annotated[dict[str, Any], AfterValidator(_plain)]
"""The arguments of a task: a JSON object."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME)]
"""Not empty, without control characters."""

# No NUL, which PostgreSQL can't keep; lone surrogates are refused by pydantic.
Text = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
Words = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]

Id = Annotated[int, Field(ge=1, le=BIGGEST)]
Priority = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
Attempts = Annotated[int, Field(ge=1, le=BIGGEST_INTEGER)]

PathId = Annotated[int, Path(ge=1, le=BIGGEST)]
PathName = Annotated[str, Path(min_length=1, max_length=200, pattern=NAME)]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=400, pattern=r"^[A-Za-z0-9_-]+$", description="As the last page gave it."),
]
LongCursor = Annotated[
    str | None,
    Query(min_length=1, max_length=8000, pattern=r"^[A-Za-z0-9_-]+$", description="As the last page gave it."),
]
"""It holds two names of 200 characters at most, whatever these are."""

Limit = Annotated[int, Query(ge=1, le=500, description="The most rows of a page.")]
Search = Annotated[Words | None, Query(description="Looked for anywhere, in any case.")]
By = Annotated[Name | None, Query(description="Only those with exactly this.")]
ById = Annotated[int | None, Query(ge=1, le=BIGGEST, description="Only those of it.")]
