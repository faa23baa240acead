from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row, tuple_row
from sqlalchemy.orm import Session
from waiting import eventually

from taskserver.errors import TaskServerError
from taskserver.jobs import Outcome
from taskserver.store import errors

# --- the arguments


def test_every_argument_is_kept(store, clock):
    store.clients.add("acme", login="clerk")
    run_at = clock.now + timedelta(days=1, microseconds=7)

    queued = store.jobs.enqueue(
        "ocr",
        {"path": "/scans/ä", "pages": [1, 2.5, None, True], "deep": {"er": "€"}},
        client="acme",
        title="Scan",
        description="of the contract",
        priority=-3,
        run_at=run_at,
        unique_key="scan:4711",
        max_attempts=5,
        node_id="there",
        active=False,
        created_by="erp",
    )

    job = store.jobs.get(queued.id)
    assert queued.created is True
    assert job["data"] == {"path": "/scans/ä", "pages": [1, 2.5, None, True], "deep": {"er": "€"}}
    assert {
        name: job[name]
        for name in (
            *("task", "client", "title", "description", "priority", "next_run_at", "unique_key"),
            *("max_attempts", "node_id", "active", "created_by", "created_at", "status", "ready", "gone"),
        )
    } == {
        "task": "ocr",
        "client": "acme",
        "title": "Scan",
        "description": "of the contract",
        "priority": -3,
        "next_run_at": run_at,
        "unique_key": "scan:4711",
        "max_attempts": 5,
        "node_id": "there",
        "active": False,
        "created_by": "erp",
        "created_at": clock.now,
        "status": "waiting",
        "ready": None,
        "gone": False,
    }


def test_what_is_left_out_has_its_default(store):
    job = store.jobs.get(store.jobs.enqueue("ocr").id)

    assert (job["data"], job["client"], job["priority"], job["ready"]) == ({}, "default", 0, 1)
    assert (job["next_run_at"], job["unique_key"], job["max_attempts"], job["node_id"]) == (None,) * 4
    assert (job["title"], job["description"], job["created_by"]) == ("ocr", "", "")


def test_every_argument_of_many_is_kept(store, clock):
    store.clients.add("acme", login="clerk")
    run_at = clock.now + timedelta(hours=1)

    ids = store.jobs.enqueue_many(
        "ocr",
        [{"page": 1}, {"page": 2}],
        client="acme",
        title="Scan",
        priority=4,
        run_at=run_at,
        max_attempts=2,
        node_id="there",
        created_by="erp",
    )

    for page, job_id in enumerate(ids, 1):
        job = store.jobs.get(job_id)
        assert (job["data"], job["client"], job["title"], job["priority"]) == ({"page": page}, "acme", "Scan", 4)
        assert (job["next_run_at"], job["ready"], job["max_attempts"]) == (run_at, None, 2)
        assert (job["node_id"], job["created_by"], job["created_at"]) == ("there", "erp", clock.now)


def test_a_time_in_another_zone_is_the_same_instant(store, clock):
    there = timezone(timedelta(hours=5, minutes=30))

    job_id = store.jobs.enqueue("ocr", run_at=datetime(2027, 1, 1, 5, 30, tzinfo=there)).id

    assert store.jobs.get(job_id)["next_run_at"] == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_time_that_has_passed_is_now(store, node, clock):
    job_id = store.jobs.enqueue("ocr", run_at=clock.now - timedelta(days=1)).id

    assert [claim.job_id for claim in node.claim()] == [job_id]


def test_many_jobs_of_the_future_wait_for_it(store, node, clock):
    ids = store.jobs.enqueue_many("ocr", [{}] * 3, run_at=clock.now + timedelta(hours=1))

    early = node.claim(free=5)
    clock.advance(hours=1)

    assert early == []
    assert [claim.job_id for claim in node.claim(free=5)] == ids


def test_an_unknown_client_is_refused(store):
    for queue in (lambda: store.jobs.enqueue("ocr", client="acme"), lambda: many(store, client="acme")):
        with pytest.raises(errors.ClientNotFound) as refusal:
            queue()
        assert refusal.value.fields == {"name": "acme"}

    assert store.jobs.find() == []


def many(store, data=({}, {}), **more):
    return store.jobs.enqueue_many("ocr", list(data), **more)


def test_nothing_to_queue_is_nothing(store):
    assert store.jobs.enqueue_many("ocr", []) == []
    assert store.jobs.find() == []


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), {1, 2}, datetime(2026, 1, 1, tzinfo=UTC), "\udcff", {"deep": b"bytes"}],
    ids=["nan", "infinity", "object", "set", "datetime", "lone-surrogate", "bytes"],
)
def test_data_that_is_no_json_is_refused(store, value):
    for queue in (lambda: store.jobs.enqueue("ocr", {"x": value}), lambda: many(store, [{}, {"x": value}])):
        with pytest.raises(errors.NotJson) as refusal:
            queue()
        assert "ocr" in str(refusal.value)

    assert store.jobs.find() == []


def test_text_of_any_kind_goes_through_json(store, node):
    data = {"text": "\x00 '\" %s %(x)s :name {y} \\ \n ü 😀", "": None}

    store.jobs.enqueue("ocr", data)
    many(store, [data])

    assert [claim.data for claim in node.claim(free=2)] == [data, data]


# --- ten thousand


def test_ten_thousand_at_once_are_all_there_in_their_order(store):
    ids = many(store, [{"n": number} for number in range(10_000)])

    assert len(set(ids)) == 10_000
    assert store.jobs.counts()["waiting"] == 10_000
    for number in (0, 1, 999, 1000, 5000, 9999):
        assert store.jobs.get(ids[number])["data"] == {"n": number}
    assert [job["id"] for job in store.jobs.find(limit=3)] == ids[:3]


# --- unique keys


def test_a_live_key_is_queued_once(store):
    first = store.jobs.enqueue("ocr", unique_key="k")

    second = store.jobs.enqueue("invoices", unique_key="k")

    assert (second.id, second.created) == (first.id, False)
    assert store.jobs.counts()["waiting"] == 1


@pytest.mark.parametrize("unique_for", ["live", "ever"])
def test_a_running_or_stopping_job_holds_its_key(store, claimed, unique_for):
    claim = claimed(unique_key="k")
    running = store.jobs.enqueue("ocr", unique_key="k", unique_for=unique_for)
    store.jobs.stop(claim.job_id)
    stopping = store.jobs.enqueue("ocr", unique_key="k", unique_for=unique_for)

    assert [(twin.id, twin.created) for twin in (running, stopping)] == [(claim.job_id, False)] * 2


@pytest.mark.parametrize("outcome", [Outcome.finished(), Outcome.failed("no"), None], ids=str)
def test_a_live_key_is_free_again_when_its_job_has_ended(store, node, claimed, outcome):
    claim = claimed(unique_key="k")
    if outcome is None:
        store.jobs.stop(claim.job_id)
    node.end(claim, outcome or Outcome.stopped())

    again = store.jobs.enqueue("ocr", unique_key="k")

    assert again.created is True
    assert again.id != claim.job_id


def test_a_key_for_ever_stays_taken_when_the_job_has_finished(store, node, claimed):
    claim = claimed(unique_key="k")
    node.end(claim)

    again = store.jobs.enqueue("ocr", unique_key="k", unique_for="ever")

    assert (again.id, again.created) == (claim.job_id, False)


def test_a_key_for_ever_stays_taken_when_the_job_is_gone(store, node, claimed):
    claim = claimed(unique_key="k")
    node.end(claim)
    store.jobs.delete(claim.job_id)

    again = store.jobs.enqueue("ocr", unique_key="k", unique_for="ever")

    assert (again.id, again.created) == (claim.job_id, False)


def test_a_failed_run_of_a_deleted_job_does_not_take_a_key_for_ever(store, node, claimed):
    claim = claimed(unique_key="k")
    node.end(claim, Outcome.failed("no"))
    store.jobs.delete(claim.job_id)

    assert store.jobs.enqueue("ocr", unique_key="k", unique_for="ever").created is True


def test_keys_of_different_clients_have_nothing_to_do_with_each_other(store):
    store.clients.add("acme", login="clerk")
    for unique_for in ("live", "ever"):
        store.jobs.enqueue("ocr", unique_key=unique_for, unique_for=unique_for)

        theirs = store.jobs.enqueue("ocr", unique_key=unique_for, unique_for=unique_for, client="acme")

        assert theirs.created is True


def test_jobs_without_a_key_are_never_twins(store):
    assert store.jobs.enqueue("ocr", unique_for="ever").created
    assert store.jobs.enqueue("ocr", unique_for="ever").created


@pytest.mark.parametrize("unique_for", ["live", "ever"])
def test_many_threads_with_one_key_queue_one_job(store, unique_for):
    answers = []
    start = threading.Barrier(6)

    def queue():
        start.wait()
        for number in range(5):
            answers.append((number, store.jobs.enqueue("ocr", unique_key=f"k{number}", unique_for=unique_for)))

    threads = [threading.Thread(target=queue) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 30
    assert store.jobs.counts()["waiting"] == 5
    for number in range(5):
        mine = [answer for key, answer in answers if key == number]
        assert len({answer.id for answer in mine}) == 1
        assert sum(answer.created for answer in mine) == 1


@pytest.mark.parametrize("unique_for", ["live", "ever"])
@pytest.mark.only_on("postgresql")
def test_a_key_that_another_transaction_is_about_to_take_is_waited_for(store, sql, unique_for):
    answers = []
    engine = sqlalchemy.create_engine(store.database.url)
    second = threading.Thread(
        target=lambda: answers.append(store.jobs.enqueue("ocr", unique_key="k", unique_for=unique_for))
    )

    with engine.begin() as application:
        first = store.jobs.enqueue("ocr", unique_key="k", unique_for=unique_for, connection=application)
        second.start()
        eventually(lambda: sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
    second.join()
    engine.dispose()

    assert [(answer.id, answer.created) for answer in answers] == [(first.id, False)]


# --- on the application's own connection


class Application:
    """A program with a connection of its own and a table of its own."""

    def __init__(self, kind, url):
        self.engine = None
        if kind in ("connection", "session"):
            self.engine = sqlalchemy.create_engine(url)
            self.connection = self.engine.connect() if kind == "connection" else Session(self.engine)
        elif url.get_backend_name() == "sqlite":
            self.connection = sqlite3.connect(url.database, timeout=10)
            self.connection.row_factory = sqlite3.Row if kind == "driver-rows" else None
        else:
            address = url.set(drivername="postgresql").render_as_string(hide_password=False)
            self.connection = psycopg.connect(
                address, row_factory=dict_row if kind == "driver-rows" else tuple_row
            )
        self.execute("CREATE TABLE IF NOT EXISTS scans (path text)")
        self.execute("DELETE FROM scans")
        self.connection.commit()

    def execute(self, statement):
        if self.engine is not None:
            return self.connection.execute(sqlalchemy.text(statement))
        return self.connection.execute(statement)

    def close(self):
        self.connection.close()
        if self.engine is not None:
            self.engine.dispose()


@pytest.fixture(params=["connection", "session", "driver", "driver-rows"])
def application(request, store):
    """SQLAlchemy's connection or session, or the driver's with rows that are tuples or of its other kind."""
    application = Application(request.param, store.database.url)
    with closing(application):
        yield application


def scans(store):
    with store.database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT path FROM scans")]


def test_a_job_commits_with_the_applications_work(store, node, application):
    application.execute("INSERT INTO scans VALUES ('/a')")

    queued = store.jobs.enqueue("ocr", {"path": "/a :x %s"}, title="Scan", connection=application.connection)
    before = store.jobs.find()
    application.connection.commit()

    assert before == []
    assert scans(store) == ["/a"]
    (claim,) = node.claim()
    assert (claim.job_id, claim.data, claim.title) == (queued.id, {"path": "/a :x %s"}, "Scan")


def test_a_job_is_rolled_back_with_the_applications_work(store, application):
    application.execute("INSERT INTO scans VALUES ('/a')")

    store.jobs.enqueue("ocr", connection=application.connection)
    many(store, connection=application.connection)
    application.connection.rollback()

    assert scans(store) == []
    assert store.jobs.find() == []


def test_many_jobs_commit_with_the_applications_work(store, application):
    application.execute("INSERT INTO scans VALUES ('/a')")

    ids = many(store, [{"n": number} for number in range(500)], priority=3, connection=application.connection)
    before = store.jobs.counts()["waiting"]
    application.connection.commit()

    assert before == 0
    assert scans(store) == ["/a"]
    found = store.jobs.find(limit=501)
    assert [job["id"] for job in found] == ids
    assert [job["data"]["n"] for job in found] == list(range(500))
    assert {job["priority"] for job in found} == {3}


def test_a_key_is_checked_on_the_applications_connection(store, application):
    first = store.jobs.enqueue("ocr", unique_key="k", unique_for="ever", connection=application.connection)
    again = store.jobs.enqueue("ocr", unique_key="k", unique_for="ever", connection=application.connection)
    live = store.jobs.enqueue("ocr", unique_key="k", connection=application.connection)
    application.connection.commit()

    assert (again.id, again.created) == (live.id, live.created) == (first.id, False)
    assert store.jobs.counts()["waiting"] == 1


def test_an_unknown_client_leaves_the_applications_work_alone(store, application):
    application.execute("INSERT INTO scans VALUES ('/a')")

    for queue in (store.jobs.enqueue, lambda *arguments, **more: many(store, **more)):
        with pytest.raises(errors.ClientNotFound):
            queue("ocr", client="acme", connection=application.connection)
    application.connection.commit()

    assert scans(store) == ["/a"]


def test_a_limited_task_is_filed_by_the_application_too(store, make_node, application):
    node = make_node(tasks={"invoices": 1})

    for _ in range(2):
        store.jobs.enqueue("invoices", connection=application.connection)
    application.connection.commit()

    assert {job["lane"] for job in store.jobs.find()} == {"invoices"}
    assert len(node.claim(free=4)) == 1


def test_ten_thousand_go_through_the_applications_connection(store):
    application = Application("connection", store.database.url)
    with closing(application):
        ids = many(store, [{"n": number} for number in range(10_000)], connection=application.connection)
        application.connection.commit()

    assert len(set(ids)) == 10_000
    assert [job["data"]["n"] for job in store.jobs.find(limit=5)] == [0, 1, 2, 3, 4]
    assert store.jobs.get(ids[-1])["data"] == {"n": 9999}


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"unique_key": "a", "unique_for": "forever"}, "unique_for"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"priority": 10**30}, "can't be queued"),
        ({"run_at": "tomorrow"}, "time zone"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_one_sentence(store, arguments, said):
    with pytest.raises(TaskServerError, match=said) as caught:
        store.jobs.enqueue("ocr", **arguments)

    assert caught.value.exit_code == 2
    assert "INSERT" not in str(caught.value)
    assert store.jobs.find() == []


@pytest.mark.parametrize("name", ["", " "])
def test_a_task_without_a_name_is_refused_by_whatever_queues_it(store, name):
    with pytest.raises(errors.EmptyTaskName):
        store.jobs.enqueue(name)
    with pytest.raises(errors.EmptyTaskName):
        store.jobs.enqueue_many(name, [{}])
    with pytest.raises(errors.EmptyTaskName):
        store.entries.add("nightly", name, cron_spec="@daily", time_zone="UTC")

    assert store.jobs.find() == []


def test_an_empty_unique_key_is_refused(store):
    with pytest.raises(errors.EmptyUniqueKey):
        store.jobs.enqueue("sample", unique_key="")


def test_clients_and_cron_entries_have_names(store):
    with pytest.raises(errors.EmptyName):
        store.clients.add("")
    with pytest.raises(errors.EmptyName):
        store.entries.add(" ", "sample", cron_spec="@daily", time_zone="UTC")
