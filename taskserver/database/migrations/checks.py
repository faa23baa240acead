"""Columns of instants, and the checks by which a database keeps out what we could not read back.

Called by the migrations alone, so it may not change what one that has shipped makes: a new rule is a new function.
"""

from __future__ import annotations

import sqlalchemy as sa

from taskserver.database.types import INSTANT_PATTERN, Instant

NOW = {
    "sqlite": "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))",
    "postgresql": "clock_timestamp()",
}


def instant(name: str, dialect: str, *, now: bool = False) -> sa.Column[object]:
    """A column for an instant; `now`: the present one, where a writer gives none."""
    if now:
        return sa.Column(name, Instant, nullable=False, server_default=sa.text(NOW[dialect]))
    return sa.Column(name, Instant)


def checks(
    dialect: str,
    table: str,
    *,
    instants: list[str],
    documents: list[str] | None = None,
    types: dict[str, list[str]] | None = None,
) -> list[sa.CheckConstraint]:
    """That `instants` have the one form, `documents` are JSON, and `types` hold in SQLite too."""
    if dialect != "sqlite":
        # Beyond these lies what Python has no datetime for: infinity, years before Christ, five-digit years.
        return [
            sa.CheckConstraint(
                f"\"{name}\" >= '1000-01-01 00:00:00+00' AND \"{name}\" < '9999-12-31 00:00:00+00'",
                name=f"{table}_{name}_range",
            )
            for name in instants
        ]
    return [
        *(
            # The form, and a day that the calendar has: SQLite would take 31 February for a day in March.
            sa.CheckConstraint(
                f"\"{name}\" GLOB '{INSTANT_PATTERN}' "
                f"AND strftime('%Y-%m-%d %H:%M:%S', substr(\"{name}\", 1, 19), '+0 days') "
                f'IS substr("{name}", 1, 19)',
                name=f"{table}_{name}_form",
            )
            for name in instants
        ),
        *(
            sa.CheckConstraint(f'"{name}" IS NULL OR json_valid("{name}")', name=f"{table}_{name}_json")
            for name in documents or []
        ),
        *(
            sa.CheckConstraint(f"typeof(\"{name}\") IN ('{kind}', 'null')", name=f"{table}_{name}_type")
            for kind, names in (types or {}).items()
            for name in names
        ),
    ]
