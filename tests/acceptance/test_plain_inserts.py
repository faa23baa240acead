"""Jobs that other programs queue with one plain INSERT, and how soon they run."""

from __future__ import annotations

import sqlite3
import time

import pytest
from waiting import eventually

from taskserver import connect


@pytest.fixture
def silent_server(any_server):
    """Whoever does not wake it would have to wait for a minute."""
    any_server.configure(poll_interval=60)
    any_server.start()
    return any_server


def test_postgresql_tells_of_an_insert_at_once(new_server, postgres_url):
    server = new_server(postgres_url, poll_interval=60)
    server.start()
    server.insert("quick")
    eventually(lambda: server.statuses() == ["finished"], seconds=3)

    for _ in range(3):
        began = time.monotonic()
        job = server.insert("quick", word="told")
        eventually(lambda job=job: server.job(job)["status"] == "finished", seconds=2)
        assert time.monotonic() - began < 2
    assert server.job(job)["result"] == "told"


def test_sqlite_is_looked_at_every_poll_interval(server):
    server.configure(poll_interval=0.5)
    server.start()

    server.rows.execute("INSERT INTO jobs (task, data) VALUES ('quick', '{\"word\": \"seen\"}')")

    eventually(lambda: server.statuses() == ["finished"], seconds=3)
    assert server.job(1)["result"] == "seen"


def test_jobs_of_a_running_transaction_begin_when_it_commits(server):
    server.configure(poll_interval=0.2)
    server.start()
    other = sqlite3.connect(server.rows.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        other.execute("INSERT INTO jobs (task) VALUES ('quick')")

    assert server.statuses() == []
    other.execute("COMMIT")
    other.close()

    eventually(lambda: server.statuses() == ["finished"] * 3, seconds=5)


def test_an_application_wakes_the_daemon_itself(silent_server):
    with connect(silent_server.rows.url) as application:
        began = time.monotonic()
        job = application.enqueue("quick", {"word": "at once"})
        eventually(lambda: silent_server.job(job.id)["status"] == "finished", seconds=5)

    assert time.monotonic() - began < 2


def test_the_control_program_wakes_the_daemon_itself(silent_server):
    done = silent_server.control("job", "add", "quick", "word=hello", "--wait", "--timeout", "5")

    assert "hello" in done.stdout


def test_an_insert_may_use_every_column_that_the_contract_names(silent_server):
    rows = silent_server.rows
    later = "2099-01-01 00:00:00.000000"
    rows.execute("INSERT INTO jobs (task, active) VALUES ('quick', FALSE)")
    rows.execute("INSERT INTO jobs (task, next_run_at) VALUES ('quick', ?)", later)
    rows.execute("INSERT INTO jobs (task, node_id) VALUES ('quick', 'elsewhere')")
    rows.execute("INSERT INTO jobs (task) VALUES ('no.such.task')")
    rows.execute("INSERT INTO jobs (task, data) VALUES ('quick', '{\"number\": 1}')")
    rows.execute("INSERT INTO jobs (task, node_id, priority, title) VALUES ('quick', 'here', 5, 'mine')")
    silent_server.control("wake")

    eventually(lambda: silent_server.statuses()[4:] == ["failed", "finished"], seconds=5)

    assert silent_server.statuses()[:4] == ["waiting"] * 4
    (wrong,) = silent_server.runs(5)
    assert (wrong["status"], wrong["reason"]) == ("failed", "arguments")
    assert "number" in wrong["error"]
    assert "no.such.task" in silent_server.control("job", "explain", "4").stdout


def test_a_cron_entry_may_be_inserted_as_well(silent_server):
    silent_server.rows.execute(
        "INSERT INTO jobs (type, name, task, cron_spec, time_zone, next_run_at) VALUES (?, ?, ?, ?, ?, ?)",
        *("interval", "plain", "quick", "* * * * *", "UTC", "2020-01-01 00:00:00.000000"),
    )
    silent_server.control("wake")

    eventually(lambda: silent_server.statuses() == ["finished"], seconds=5)

    job = silent_server.rows.query("SELECT * FROM jobs WHERE type = 'once'")[0]
    assert job["due_at"] is not None
    assert silent_server.rows.value("SELECT name FROM jobs WHERE id = ?", job["cron_entry_id"]) == "plain"
