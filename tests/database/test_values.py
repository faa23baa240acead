"""Values on their way to the driver and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from taskserver.database.schema import jobs
from taskserver.database.types import read_instant

INSTANTS = st.datetimes(
    min_value=datetime(1971, 1, 1),
    max_value=datetime(9998, 1, 1),
    timezones=st.just(UTC),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text("aä\x00'\"%:", max_size=3), children)
    ),
    max_leaves=8,
)
ON_ONE_DATABASE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ON_ONE_DATABASE
@given(instant=INSTANTS, data=st.dictionaries(st.text("abc", max_size=3), JSON, max_size=3), checkpoint=JSON)
def test_what_is_written_is_read_back(database, instant, data, checkpoint):
    with database.write() as connection:
        statement = insert(jobs).values(task="ocr", next_run_at=instant, data=data, checkpoint=checkpoint)
        job_id = connection.execute(statement.returning(jobs.c.id)).scalar_one()

    with database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    assert (row.next_run_at, row.data, row.checkpoint) == (instant, data, checkpoint)
    assert row.next_run_at.tzinfo is UTC


@ON_ONE_DATABASE
@given(instants=st.lists(INSTANTS, min_size=2, max_size=5))
def test_instants_are_ordered_as_they_are_in_time(database, instants):
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")
        connection.execute(insert(jobs), [{"task": "ocr", "next_run_at": instant} for instant in instants])

    with database.read() as connection:
        found = connection.execute(select(jobs.c.next_run_at).order_by(jobs.c.next_run_at)).scalars().all()

    assert found == sorted(instants)


def test_an_instant_goes_to_the_driver_and_back(database):
    instant = datetime(2026, 11, 22, 9, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    statement = database.statement("SELECT count(*) FROM jobs WHERE next_run_at = :at AND task <> '100 %'")
    with database.write() as connection:
        connection.execute(insert(jobs).values(task="ocr", next_run_at=instant))

    with database.read() as connection:
        count = connection.exec_driver_sql(statement, {"at": database.instant(instant)}).scalar()
        found = connection.exec_driver_sql("SELECT next_run_at FROM jobs").scalar()

    assert count == 1
    assert read_instant(found) == instant
    assert database.instant(None) is None


def test_a_naive_instant_is_refused_where_it_is_text(database):
    naive = datetime(2026, 11, 22, 9, 30)

    if database.dialect.one_writer:
        with pytest.raises(ValueError, match="no time zone"):
            database.instant(naive)


def test_a_statement_speaks_the_drivers_language(database):
    statement = database.statement("SELECT :a, CAST(:a AS text), '100%', '{\"x\": 1}'")

    with database.read() as connection:
        row = connection.exec_driver_sql(statement, {"a": "A"}).one()

    assert tuple(row) == ("A", "A", "100%", '{"x": 1}')


def test_the_databases_clock_is_followed(database):
    with database.connect() as connection:
        database.set_clock(connection)

    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert database.now().tzinfo is UTC


@pytest.mark.only_on("sqlite")
def test_a_file_tells_whether_others_have_written(database):
    with database.connect() as connection:
        first = database.dialect.data_version(connection)
        connection.rollback()
        with database.write() as other:
            other.exec_driver_sql("INSERT INTO jobs (task) VALUES ('ocr')")
        second = database.dialect.data_version(connection)
        third = database.dialect.data_version(connection)

    assert first != second == third
