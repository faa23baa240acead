"""Limits are strict across nodes: counted without the lock, a limit of three was seen at six."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from taskserver.jobs import Outcome

ROUNDS = 25


@pytest.fixture
def most_seen(store):
    """The largest number of running jobs that the database has ever seen, told by itself at each change."""
    with store.database.write() as connection:
        connection.execute(text("CREATE TABLE seen (running integer)"))

    def sample(connection, where):
        connection.execute(text(f"INSERT INTO seen SELECT count(*) FROM jobs WHERE claim IS NOT NULL AND {where}"))

    def most():
        with store.database.read() as connection:
            return connection.execute(text("SELECT max(running) FROM seen")).scalar()

    yield sample, most
    with store.database.write() as connection:
        connection.execute(text("DROP TABLE seen"))


def compete(store, nodes, sample, where):
    """The nodes claim and finish as fast as they can; how many runs there were."""

    def work(node):
        finished = 0
        for _ in range(ROUNDS):
            claims = node.turn(free=4).claims
            with store.database.write() as connection:
                sample(connection, where)
            node.turn(*((claim, Outcome.finished()) for claim in claims))
            finished += len(claims)
        return finished

    with ThreadPoolExecutor(len(nodes)) as threads:
        return sum(threads.map(work, nodes))


def test_a_limited_task_keeps_its_limit_while_nodes_compete(store, make_node, most_seen):
    sample, most = most_seen
    nodes = [make_node(name, tasks={"invoices": 3, "ocr": None}) for name in ("here", "there", "elsewhere")]
    store.jobs.enqueue_many("invoices", [{}] * 1000)

    finished = compete(store, nodes, sample, "task = 'invoices'")

    assert most() == 3
    assert finished >= ROUNDS
    assert store.jobs.counts()["finished"] == finished == len(store.runs.find(limit=1000))


def test_a_limited_client_keeps_its_limit_while_nodes_compete(store, make_node, most_seen):
    sample, most = most_seen
    store.clients.edit("default", max_parallel=3)
    nodes = [make_node(name) for name in ("here", "there", "elsewhere")]
    store.jobs.enqueue_many("ocr", [{}] * 1000)

    finished = compete(store, nodes, sample, "client_id = 1")

    assert most() == 3
    assert finished >= ROUNDS


def test_competing_nodes_run_every_job_exactly_once(store, make_node, most_seen):
    sample, _ = most_seen
    nodes = [make_node(name) for name in ("here", "there")]
    ids = store.jobs.enqueue_many("ocr", [{}] * 60)

    compete(store, nodes, sample, "1 = 1")

    assert sorted(run["job_id"] for run in store.runs.find(limit=1000)) == ids
