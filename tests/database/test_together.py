"""Several verbs in one transaction: all of them, or none; and each thread for itself."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text


@pytest.fixture
def count(database):
    def look():
        with database.connect() as connection, database.read(connection) as reading:
            return reading.execute(text("SELECT count(*) FROM audit")).scalar()

    return look


def add(database):
    with database.write() as connection:
        connection.execute(text("INSERT INTO audit (action) VALUES ('x')"))


def test_all_commit_together(database, count):
    with database.together():
        add(database)
        between = count()
        add(database)

    assert (between, count()) == (0, 2)


def test_an_error_undoes_all(database, count):
    with pytest.raises(ZeroDivisionError), database.together():
        add(database)
        add(database)
        raise ZeroDivisionError

    assert count() == 0
    add(database)
    assert count() == 1


def test_what_was_written_is_read_in_the_block(database):
    with database.together():
        add(database)
        with database.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM audit")).scalar() == 1


def test_a_block_in_a_block_is_undone_alone(database, count):
    with database.together():
        add(database)
        with pytest.raises(ZeroDivisionError), database.together():
            add(database)
            raise ZeroDivisionError
        with database.together():
            add(database)

    assert count() == 2


def test_another_thread_has_no_part_in_it(database, count):
    seen = []
    with database.together():
        add(database)
        thread = threading.Thread(target=lambda: seen.append(count()))
        thread.start()
        thread.join(30)

    assert seen == [0]
