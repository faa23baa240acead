"""Looking for a text anywhere in columns, in any case: the one way in which lists are searched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, case, func, literal, literal_column, or_, select

from taskserver.database import Database
from taskserver.database.schema import jobs, tasks
from taskserver.redaction import is_secret, redacted
from taskserver.store.rows import defaults_of
from taskserver.templates import Template

_WITH_LOGIN = "%://%:%@%"
"""An address like scheme://user:password@host may stand in what is like this."""


def holds(database: Database, columns: tuple[Any, ...], needle: str) -> ColumnElement[bool]:
    """Whether one of the columns holds the text; NULL holds nothing.

    What may hold a password in an address is left aside: it is shown without, and no search is to find it out.
    """
    pattern = "%" + needle.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    is_plain = needle.isascii() and database.dialect.like_ignores_case

    def is_like(shown: ColumnElement[Any]) -> ColumnElement[bool]:
        return (shown if is_plain else func.lower(shown)).like(literal(pattern), escape="\\")

    together: ColumnElement[Any] = func.coalesce(columns[0], "")
    for column in columns[1:]:
        together = together + "\n" + func.coalesce(column, "")
    # All at once first, which is quicker; the few that hold it are looked at one by one.
    one = [and_(is_like(column), column.not_like(literal(_WITH_LOGIN))) for column in columns]
    return and_(is_like(together), or_(*one))


def titles_hold(database: Database, connection: Connection, needle: str) -> list[ColumnElement[bool]]:
    """Conditions for jobs without a title of their own, one of which holds if `shown_title` has the text.

    Only what is shown is looked at: no secret can be found out by looking for it. Of a job's data that is a text
    or a number; lists, objects and addresses with a password in them are left aside.
    """
    found: list[ColumnElement[bool]] = []
    names: list[str] = []
    for task in connection.execute(select(tasks.c.name, tasks.c.title, tasks.c.schema).where(tasks.c.title != "")):
        template = Template.parse(task.title)
        if not template.names:
            names += [task.name] if needle.lower() in template.fill({}).lower() else []
            continue
        shown = _title(database, template, defaults_of(task.schema))
        found.append(and_(jobs.c.task == task.name, jobs.c.title == "", holds(database, (shown,), needle)))
    if names:
        found.append((jobs.c.title == "") & jobs.c.task.in_(names))
    return found


def _title(database: Database, template: Template, defaults: dict[str, Any]) -> ColumnElement[str]:
    """`shown_title` in SQL."""
    default = redacted(defaults)
    shown: ColumnElement[str] = literal(template.parts[0], String)
    for name, text in zip(template.parts[1::2], template.parts[2::2], strict=True):
        absent = str(default.get(name, f"{{{name}}}"))
        if is_secret(name):
            shown = shown + text
            continue
        value: ColumnElement[str] = literal_column(
            database.dialect.plain_value.format(column="jobs.data", name=name), String
        )
        shown = shown + func.coalesce(case((value.like(literal(_WITH_LOGIN)), ""), else_=value), absent) + text
    return shown
