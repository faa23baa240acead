"""What the statements know of the tables is what the migrations have made."""

from __future__ import annotations

from sqlalchemy import inspect

from taskserver.database import Database
from taskserver.database.schema import metadata


def test_the_columns_named_are_the_columns_made(database_url: str) -> None:
    database = Database(database_url)
    try:
        made = inspect(database.engine)
        tables = {
            name: [column["name"] for column in made.get_columns(name)]
            for name in made.get_table_names()
            if name != "taskserver_version"
        }
    finally:
        database.close()

    named = {table.name: [column.name for column in table.columns] for table in metadata.tables.values()}

    assert tables == named


def test_the_primary_keys_named_are_those_made(database_url: str) -> None:
    database = Database(database_url)
    try:
        made = inspect(database.engine)
        keys = {name: made.get_pk_constraint(name)["constrained_columns"] for name in metadata.tables}
    finally:
        database.close()

    assert keys == {
        name: [column.name for column in table.primary_key.columns] for name, table in metadata.tables.items()
    }
