from __future__ import annotations

from datetime import timedelta

import pytest

from taskserver.jobs import Outcome, Status
from taskserver.store import Keep
from taskserver.store.retention import BATCH

ENDINGS = {Status.FINISHED: Outcome.finished(), Status.FAILED: Outcome.failed("no")}


@pytest.fixture
def ended(store, node, claimed, clock):
    """Jobs that ended one minute after the other, the oldest first."""

    def make(status, count):
        ids = []
        for _ in range(count):
            claim = claimed()
            clock.advance(minutes=1)
            node.end(claim, ENDINGS[status])
            ids.append(claim.job_id)
        return ids

    return make


def left(store):
    return {job["id"] for job in store.jobs.find(limit=1000)}


@pytest.mark.parametrize("status", list(ENDINGS))
def test_the_newest_are_kept_by_number(store, ended, status):
    ids = ended(status, 5)
    others = ended(next(other for other in ENDINGS if other != status), 5)

    removed = store.retention.prune(status, Keep(count=2, age=None))

    assert removed == 3
    assert left(store) == {*ids[3:], *others}


@pytest.mark.parametrize("status", list(ENDINGS))
def test_the_youngest_are_kept_by_age(store, ended, status, clock):
    ids = ended(status, 5)
    others = ended(next(other for other in ENDINGS if other != status), 5)

    removed = store.retention.prune(status, Keep(count=None, age=timedelta(minutes=7)))

    assert removed == 2
    assert left(store) == {*ids[2:], *others}


def test_whichever_comes_first_counts(store, ended):
    ids = ended(Status.FINISHED, 5)

    by_number = store.retention.prune(Status.FINISHED, Keep(count=4, age=timedelta(days=1)))
    by_age = store.retention.prune(Status.FINISHED, Keep(count=4, age=timedelta(seconds=90)))

    assert (by_number, by_age) == (1, 2)
    assert left(store) == set(ids[3:])


def test_without_limits_all_are_kept(store, ended):
    ids = ended(Status.FINISHED, 3)

    assert store.retention.prune(Status.FINISHED, Keep(count=None, age=None)) == 0
    assert left(store) == set(ids)


def test_none_are_kept_when_none_are_wanted(store, ended):
    ended(Status.FINISHED, 3)

    assert store.retention.prune(Status.FINISHED, Keep(count=0, age=None)) == 3
    assert left(store) == set()


def test_jobs_that_ended_in_one_instant_are_kept_by_number_too(store, node, claimed):
    claims = [claimed() for _ in range(5)]
    node.turn(*((claim, Outcome.finished()) for claim in claims))

    removed = store.retention.prune(Status.FINISHED, Keep(count=2, age=None))

    assert removed == 3
    assert left(store) == {claim.job_id for claim in claims[3:]}


def test_nothing_else_is_removed(store, node, claimed, ended, clock):
    ended(Status.FINISHED, 1)
    stopped = store.jobs.enqueue("ocr").id
    store.jobs.stop(stopped)
    waiting = store.jobs.enqueue("ocr", run_at=clock.now + timedelta(days=900)).id
    running = claimed().job_id
    retried = claimed()
    node.end(retried, Outcome.retry("no", after=timedelta(days=900)))
    entry = store.entries.add("nightly", "ocr", cron_spec="@daily", time_zone="UTC")
    clock.advance(days=400)

    for status in ENDINGS:
        store.retention.prune(status, Keep(count=0, age=timedelta(0)))

    assert left(store) == {stopped, waiting, running, retried.job_id}
    assert store.entries.get(entry)["name"] == "nightly"


def test_runs_stay(store, node, ended):
    (job_id,) = ended(Status.FINISHED, 1)

    store.retention.prune(Status.FINISHED, Keep(count=0, age=None))

    assert store.jobs.get(job_id)["gone"] is True
    assert len(store.runs.find(job_id=job_id)) == 1


def test_a_job_that_runs_again_is_not_old(store, ended, clock):
    (job_id,) = ended(Status.FINISHED, 1)
    clock.advance(days=400)
    store.jobs.start(job_id)

    assert store.retention.prune(Status.FINISHED, Keep(count=0, age=timedelta(0))) == 0
    assert left(store) == {job_id}


def test_a_great_number_goes_in_batches(store, node, sql):
    store.jobs.enqueue_many("ocr", [{}] * (BATCH + 10))
    claims = node.claim(free=BATCH + 10)
    node.turn(*((claim, Outcome.finished()) for claim in claims))

    counts = [store.retention.prune(Status.FINISHED, Keep(count=4, age=None)) for _ in range(3)]

    assert counts == [BATCH, 6, 0]
