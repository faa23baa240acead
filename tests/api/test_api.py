"""What applications do: connect, queue, look, wait."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine

import taskserver
from taskserver.api import WaitedTooLong, connect
from taskserver.database import NoDatabase
from taskserver.jobs import Outcome
from taskserver.store import Capacity, NodeIdentity, Store, Work
from taskserver.store.errors import ClientNotFound, JobNotFound
from taskserver.tasks import InvalidArguments, UnknownTask

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "pages": {"type": "integer"}},
    "required": ["path"],
    "additionalProperties": False,
}


class Daemon:
    """Enough of one to publish a task and to run its jobs."""

    def __init__(self, url):
        self.store = Store.open(url)
        identity = NodeIdentity("here", "boot", 1, "0", 4, timedelta(seconds=60), None, only_own_jobs=False)
        published = {
            **{"name": "ocr", "title": "OCR {path}", "description": "", "schema": SCHEMA, "max_parallel": None},
            **{"timeout": None, "max_attempts": 1, "max_crashes": 3, "on_crash": "requeue", "kind": "python"},
        }
        self.row = self.store.nodes.register(identity, [published])
        self.dispatch = self.store.dispatch(ZoneInfo("UTC"))

    def turn(self, *endings, free=0):
        capacity = Capacity(node=self.row, node_id="here", free=free, limits={"ocr": None})
        return self.dispatch.turn(Work(endings=list(endings)), capacity).claims

    def close(self):
        self.dispatch.close()
        self.store.close()


@pytest.fixture
def daemon(database_url):
    daemon = Daemon(database_url)
    yield daemon
    daemon.close()


@pytest.fixture
def server(daemon, database_url):
    with connect(database_url, created_by="erp") as server:
        yield server


def test_the_package_offers_connect():
    assert taskserver.connect is connect


def test_a_queued_job_can_be_looked_at(server):
    run_at = datetime(2099, 1, 1, tzinfo=UTC)

    queued = server.enqueue(
        "ocr",
        {"path": "/a", "pages": 2},
        title="Scan",
        description="of it",
        priority=3,
        run_at=run_at,
        unique_key="k",
        max_attempts=2,
        node_id="there",
    )

    job = server.job(queued.id)
    assert queued.created is True
    assert (job["task"], job["data"], job["title"], job["description"]) == (
        *("ocr", {"path": "/a", "pages": 2}, "Scan", "of it"),
    )
    assert (job["priority"], job["next_run_at"], job["unique_key"]) == (3, run_at, "k")
    assert (job["max_attempts"], job["node_id"], job["created_by"]) == (2, "there", "erp")


def test_many_jobs_are_queued_in_their_order(server, daemon):
    ids = server.enqueue_many("ocr", [{"path": f"/{number}"} for number in range(20)], title="Scan", priority=2)

    assert [claim.job_id for claim in daemon.turn(free=20)] == ids
    assert {server.job(job_id)["created_by"] for job_id in ids} == {"erp"}


def test_a_key_for_ever_names_the_job_that_was_there(server, daemon):
    first = server.enqueue("ocr", {"path": "/a"}, unique_key="k", unique_for="ever")
    (claim,) = daemon.turn(free=1)
    daemon.turn((claim, Outcome.finished()))

    again = server.enqueue("ocr", {"path": "/a"}, unique_key="k", unique_for="ever")

    assert (again.id, again.created) == (first.id, False)


def test_an_unknown_task_is_refused_with_a_suggestion(server):
    for queue in (lambda: server.enqueue("orc"), lambda: server.enqueue_many("orc", [{}])):
        with pytest.raises(UnknownTask) as refusal:
            queue()
        assert "ocr" in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({}, "path"),
        ({"path": 7}, "path"),
        ({"path": "/a", "pages": "many"}, "pages"),
        ({"path": "/a", "colour": "red"}, "colour"),
        ({"path": "/a", "pages": float("nan")}, "JSON"),
    ],
    ids=["missing", "type", "type-of-second", "unknown", "nan"],
)
def test_a_wrong_argument_is_refused_and_named(server, daemon, data, word):
    for queue in (
        lambda: server.enqueue("ocr", data),
        lambda: server.enqueue_many("ocr", [{"path": "/good"}, data]),
    ):
        with pytest.raises(InvalidArguments) as refusal:
            queue()
        assert word in str(refusal.value)

    assert daemon.turn(free=4) == []


def test_without_validation_anything_is_queued(database_url, daemon):
    with connect(database_url, validate=False) as server:
        queued = server.enqueue("unheard-of", {"anything": 1})

        assert server.job(queued.id)["data"] == {"anything": 1}


def test_a_task_that_is_published_later_is_known_at_once(server, daemon):
    with pytest.raises(UnknownTask):
        server.enqueue("new")
    schema = {"type": "object"}
    task = {**daemon.store.tasks.get("ocr"), "name": "new", "schema": schema}
    daemon.store.nodes.publish(daemon.row, [task], slots=4)

    assert server.enqueue("new", {"x": 1}).created


def test_an_unknown_client_is_refused(server):
    with pytest.raises(ClientNotFound):
        server.enqueue("ocr", {"path": "/a"}, client="acme")


def test_a_job_commits_with_the_applications_own_work(server, daemon):
    engine = create_engine(daemon.store.database.url)
    with engine.connect() as application:
        server.enqueue("ocr", {"path": "/lost"}, connection=application)
        application.rollback()
        kept = server.enqueue("ocr", {"path": "/kept"}, connection=application)
        many = server.enqueue_many("ocr", [{"path": "/1"}, {"path": "/2"}], connection=application)
        early = daemon.store.jobs.find()
        application.commit()
    engine.dispose()

    assert early == []
    assert [claim.job_id for claim in daemon.turn(free=4)] == [kept.id, *many]


def test_waiting_ends_when_the_job_has_ended(server, daemon):
    job_id = server.enqueue("ocr", {"path": "/a"}).id
    (claim,) = daemon.turn(free=1)
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(server.wait(job_id, timeout=30)))
    waiting.start()

    daemon.turn((claim, Outcome.finished("12 pages")))
    waiting.join()

    assert [(job["id"], job["status"], job["result"]) for job in ended] == [(job_id, "finished", "12 pages")]


def test_waiting_for_a_job_that_is_gone_answers_from_its_run(server, daemon):
    job_id = server.enqueue("ocr", {"path": "/a"}).id
    (claim,) = daemon.turn(free=1)
    daemon.turn((claim, Outcome.failed("no")))
    daemon.store.jobs.delete(job_id)

    job = server.wait(job_id)

    assert (job["gone"], job["status"], job["error"]) == (True, "failed", "no")


@pytest.mark.parametrize("timeout", [0, timedelta(seconds=0.01)])
def test_waiting_has_an_end(server, timeout):
    job_id = server.enqueue("ocr", {"path": "/a"}).id

    with pytest.raises(WaitedTooLong) as refusal:
        server.wait(job_id, timeout)

    assert "waiting" in str(refusal.value)


def test_waiting_for_nothing_says_so(server):
    with pytest.raises(JobNotFound):
        server.wait(4711)


def test_a_job_can_be_stopped_and_started_again(server, daemon):
    job_id = server.enqueue("ocr", {"path": "/a"}).id

    server.stop(job_id)
    stopped = server.wait(job_id)
    nothing = daemon.turn(free=1)
    server.start(job_id)

    assert (stopped["status"], nothing) == ("stopped", [])
    assert [claim.job_id for claim in daemon.turn(free=1)] == [job_id]


def test_a_database_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(NoDatabase):
        connect(f"sqlite:///{tmp_path}/none.sqlite")


def test_threads_may_share_a_server(server, daemon):
    def queue():
        for number in range(5):
            server.enqueue("ocr", {"path": f"/{number}"})

    threads = [threading.Thread(target=queue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(daemon.turn(free=30)) == 20
