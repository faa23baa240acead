"""What programs in other languages do: INSERT, and nothing else."""

from __future__ import annotations

import select
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from taskserver.database import Database


def test_two_columns_are_enough(store, node, sql):
    sql("""INSERT INTO jobs (task, data) VALUES ('ocr', '{"path": "/scans/4711"}')""")
    sql("INSERT INTO jobs (task) VALUES ('ocr')")

    first, second = store.jobs.find()

    assert (first["data"], second["data"]) == ({"path": "/scans/4711"}, {})
    for job in (first, second):
        assert (job["client"], job["status"], job["ready"], job["type"]) == ("default", "waiting", 1, "once")
        assert (job["priority"], job["attempt"], job["crashes"], job["active"]) == (0, 0, 0, True)
        assert abs(job["created_at"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert [claim.job_id for claim in node.claim(free=2)] == [first["id"], second["id"]]


def test_a_cron_entry_needs_a_name_and_a_schedule(store, sql):
    sql("INSERT INTO jobs (type, name, task, cron_spec) VALUES ('interval', 'nightly', 'ocr', '0 3 * * *')")
    with pytest.raises(IntegrityError):
        sql("INSERT INTO jobs (type, task, cron_spec) VALUES ('interval', 'ocr', '0 3 * * *')")
    with pytest.raises(IntegrityError):
        sql("INSERT INTO jobs (type, name, task) VALUES ('interval', 'other', 'ocr')")

    (entry,) = store.entries.find()

    assert (entry["status"], entry["ready"], entry["misfire"], entry["overlap"]) == (None, None, "once", "skip")
    assert store.jobs.find() == []


def test_a_job_of_the_future_or_switched_off_is_not_ready(store, node, sql, clock):
    stamp = "2026-11-22 09:00:00.000000"
    zone = "" if store.database.dialect.name == "sqlite" else "+00"
    sql(f"INSERT INTO jobs (task, next_run_at) VALUES ('ocr', '{stamp}{zone}')")
    sql("INSERT INTO jobs (task, active) VALUES ('ocr', (1 = 0))")

    early = node.claim(free=4)
    clock.advance(hours=1)
    late = node.claim(free=4)

    assert early == []
    assert len(late) == 1
    assert store.jobs.get(late[0].job_id)["next_run_at"] == clock.now


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "'twice'"),
        ("status", "'done'"),
        ("status", "'running'"),
        ("data", "'{not json'"),
        ("data", "''"),
        ("checkpoint", "'nope'"),
        ("misfire", "'never'"),
        ("overlap", "'maybe'"),
        ("ready", "7"),
        ("max_attempts", "0"),
        ("client_id", "4711"),
        ("task", "''"),
        ("task", "NULL"),
        ("claim", "1"),
        ("next_run_at", "'some day'"),
        ("next_run_at", "'2026-13-45 99:00:00.000000'"),
    ],
)
def test_the_database_refuses_what_makes_no_sense(store, sql, column, value):
    columns, values = (column, value) if column == "task" else (f"task, {column}", f"'ocr', {value}")

    with pytest.raises(DBAPIError):
        sql(f"INSERT INTO jobs ({columns}) VALUES ({values})")

    assert store.jobs.find() == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:00:00.000000",
        "2026-11-22 09:00:00",
        "2026-11-22 09:00:00.000",
        "2026-11-22 09:00:00.000000+00:00",
        "2026-11-22 09:00:00.000000Z",
        "2026-11-22",
        "1795338000",
        "",
    ],
)
@pytest.mark.only_on("sqlite")
def test_sqlite_holds_times_to_one_form(store, sql, text):
    """Mixed forms would compare wrongly."""

    with pytest.raises(IntegrityError):
        sql(f"INSERT INTO jobs (task, next_run_at) VALUES ('ocr', '{text}')")


def test_a_unique_key_is_unique_in_plain_sql_too(store, sql):
    sql("INSERT INTO jobs (task, unique_key) VALUES ('ocr', 'k')")

    with pytest.raises(IntegrityError):
        sql("INSERT INTO jobs (task, unique_key) VALUES ('ocr', 'k')")

    assert store.jobs.enqueue("ocr", unique_key="k").created is False


def test_the_number_of_a_deleted_job_is_never_given_again(store, sql):
    store.jobs.enqueue("ocr")
    newest = store.jobs.enqueue("ocr").id
    sql("DELETE FROM jobs")

    assert store.jobs.enqueue("ocr").id > newest


def test_the_number_of_a_run_is_never_given_again(node, claimed, sql):
    claim = claimed()
    node.end(claim)
    sql("DELETE FROM runs")
    sql("DELETE FROM jobs")

    assert claimed().run_id > claim.run_id


def test_a_status_set_by_plain_sql_does_not_stand_in_the_way_of_others(store, node, sql):
    odd = store.jobs.enqueue("ocr").id
    other = store.jobs.enqueue("ocr").id
    sql("UPDATE jobs SET status = 'stopped' WHERE id = :id", id=odd)

    assert [claim.job_id for claim in node.claim(free=1)] == [other]


@pytest.mark.only_on("postgresql")
def test_a_plain_insert_wakes_whoever_listens(store, sql):
    listener = Database(store.database.url.render_as_string(hide_password=False)).listen()

    sql("INSERT INTO jobs (task) VALUES ('ocr')")

    assert select.select([listener], [], [], 10)[0] == [listener]
    assert listener.drain() is True
    assert listener.drain() is False
    listener.close()
