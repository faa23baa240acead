"""What other programs write into the table must not keep the rest of it from being read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

DEEP = "[" * 990 + "]" * 990
HUGE = '{"n": ' + "9" * 5000 + "}"


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("column", ["next_run_at", "due_at"])
@pytest.mark.parametrize(
    "value", ["2026-02-31 12:00:00.000000", "0000-01-01 00:00:00.000000", "2026-01-01 25:00:00.000000"]
)
def test_a_day_that_the_calendar_lacks_is_refused(sql, column, value):
    with pytest.raises(DBAPIError, match="form"):
        sql(f"INSERT INTO jobs (task, {column}) VALUES ('ocr', '{value}')")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("value", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
def test_an_instant_beyond_the_calendar_is_refused(sql, value):
    with pytest.raises(DBAPIError, match="range"):
        sql(f"INSERT INTO jobs (task, next_run_at) VALUES ('ocr', '{value}')")


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "column, value", [("priority", "'high'"), ("position", "'x'"), ("title", "x'41'"), ("task", "x'41'")]
)
def test_a_value_of_another_type_is_refused(sql, column, value):
    columns = f"task, {column}" if column != "task" else "task"
    values = f"'ocr', {value}" if column != "task" else value
    with pytest.raises(DBAPIError, match="type"):
        sql(f"INSERT INTO jobs ({columns}) VALUES ({values})")


@pytest.mark.parametrize("data", [DEEP, HUGE])
def test_json_that_python_cannot_read_disturbs_no_other_job(store, node, sql, data):
    sql("INSERT INTO jobs (task, data) VALUES ('ocr', :data)", data=data)
    good = store.jobs.enqueue("ocr").id

    claims = node.claim(free=4)

    assert good in [claim.job_id for claim in claims]
    assert len(store.jobs.find()) == 2


@pytest.mark.only_on("sqlite")
def test_text_that_is_not_utf8_disturbs_no_other_job(store, node):
    with store.database.write() as connection:
        connection.execute(text("INSERT INTO jobs (task, title) VALUES ('ocr', CAST(x'4dfc6c6c6572' AS TEXT))"))
    good = store.jobs.enqueue("ocr").id

    claims = node.claim(free=4)

    assert good in [claim.job_id for claim in claims]
    assert "M\ufffdller" in {job["title"] for job in store.jobs.find()}


def test_a_job_started_by_hand_stays_so_when_its_node_dies(store, make_node, clock):
    store.switches.set_autostart(False)
    first = make_node("one")
    job_id = store.jobs.enqueue("ocr").id
    store.jobs.start(job_id)
    first.claim()

    clock.advance(minutes=5)
    second = make_node("two")
    store.nodes.rescue(second.row, predecessors_are_dead=False)
    claims = second.claim()

    assert [claim.job_id for claim in claims] == [job_id]


def test_a_predecessor_is_not_taken_for_alive(store, make_node):
    make_node("one")
    successor = make_node("one")
    store.nodes.rescue(successor.row, predecessors_are_dead=True)

    assert [node["id"] for node in store.nodes.alive()] == [successor.row]


def test_a_cron_entry_knows_how_its_last_job_ended(store, node, clock):
    from taskserver.jobs import Outcome

    entry = store.entries.add("daily", "ocr", cron_spec="0 9 * * *", time_zone="UTC")
    clock.advance(hours=1)
    (claim,) = node.claim(free=2)
    clock.advance(seconds=timedelta(minutes=1).total_seconds())
    node.turn((claim, Outcome.failed("no paper")))

    assert store.entries.get(entry)["last_status"] == "failed"


def test_the_last_microsecond_of_a_month_is_a_time_like_any_other(store, node, sql):
    last = "2026-02-28 23:59:59.999999"
    sql(f"INSERT INTO jobs (task, next_run_at) VALUES ('ocr', '{last}')")

    (job,) = store.jobs.find()

    assert job["next_run_at"].isoformat(" ").startswith(last)
