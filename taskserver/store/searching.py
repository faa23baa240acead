"""Looking for a text anywhere in columns, in any case: the one way in which lists are searched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func

from taskserver.database import Database


def holds(database: Database, columns: tuple[Any, ...], needle: str) -> ColumnElement[bool]:
    """Whether one of the columns holds the text; NULL holds nothing."""
    pattern = "%" + needle.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    shown: ColumnElement[Any] = func.coalesce(columns[0], "")
    for column in columns[1:]:
        shown = shown + "\n" + func.coalesce(column, "")
    if needle.isascii() and database.dialect.like_ignores_case:
        return shown.like(pattern, escape="\\")
    return func.lower(shown).like(pattern, escape="\\")
