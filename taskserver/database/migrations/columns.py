"""The columns and checks that every migration after the first makes in the same way.

The first migration has its own copy and is never edited; neither may this be, since migrations that have shipped
rely on it: a new form is a new function.
"""

from __future__ import annotations

import sqlalchemy as sa

from taskserver.database.types import INSTANT_PATTERN, Instant

NOW = {
    "sqlite": "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))",
    "postgresql": "clock_timestamp()",
}


def number() -> sa.types.TypeEngine[int]:
    """The type of ids: SQLite numbers only INTEGER PRIMARY KEY by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def instant(name: str, dialect: str, *, now: bool = False) -> sa.Column[object]:
    """An instant; with `now` the database itself fills it in."""
    if now:
        return sa.Column(name, Instant, nullable=False, server_default=sa.text(NOW[dialect]))
    return sa.Column(name, Instant)


def instant_check(table: str, name: str, dialect: str) -> tuple[str, str]:
    """The name of the check of an instant's form or range, and its condition."""
    if dialect == "sqlite":
        form = (
            f"\"{name}\" GLOB '{INSTANT_PATTERN}' "
            f"AND strftime('%Y-%m-%d %H:%M:%S', substr(\"{name}\", 1, 19), '+0 days') IS substr(\"{name}\", 1, 19)"
        )
        return f"{table}_{name}_form", form
    return (
        f"{table}_{name}_range",
        f"\"{name}\" >= '1000-01-01 00:00:00+00' AND \"{name}\" < '9999-12-31 00:00:00+00'",
    )


def checks(
    table: str, dialect: str, *, instants: list[str], documents: list[str] | None = None
) -> list[sa.CheckConstraint]:
    """What instants and JSON documents of a table must be."""
    found = [instant_check(table, name, dialect) for name in instants]
    if dialect == "sqlite":
        found += [
            (f"{table}_{name}_json", f'"{name}" IS NULL OR json_valid("{name}")') for name in documents or []
        ]
    return [sa.CheckConstraint(condition, name=name) for name, condition in found]
