from __future__ import annotations

import pytest

from taskserver.jobs import Outcome
from taskserver.store.failures import normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no such file: /scans/4711.tif", "no such file: /scans/4712.tif"),
        ("row 3: 1.234,50 is too much", "row 17: 20,00 is too much"),
        ("object at 0x7f3a9c", "object at 0x123"),
        (
            "job 0a1b2c3d-0000-1111-2222-333344445555 is gone",
            "job ffffffff-aaaa-bbbb-cccc-ddddeeeeffff is gone",
        ),
        ("commit 3f2a9b7c1d is bad\nat line 5", "\n  commit a1b2c3d4e5f6 is bad  \nelsewhere"),
        ("timed out after 60 s at 08:15:30", "timed out after 90 s at 23:59:59"),
    ],
)
def test_errors_that_differ_in_numbers_and_ids_are_one(one, other):
    assert normalised(one) == normalised(other) != ""


def test_errors_that_differ_in_words_are_two():
    assert normalised("no such file: a.tif") != normalised("no such folder: a.tif")
    assert normalised("deadbeef is a word, facade too") == "deadbeef is a word, facade too"
    assert (normalised(None), normalised("  \n ")) == ("", "")


@pytest.fixture
def fail(store, node, clock):
    def make(error, task="ocr", client="default", outcome=None):
        job_id = store.jobs.enqueue(task, client=client).id
        (claim,) = node.claim()
        clock.advance(minutes=1)
        node.end(claim, outcome or Outcome.failed(error))
        return job_id, claim.run_id

    return make


def test_failures_are_grouped_by_task_and_error(store, make_node, fail, clock):
    store.clients.add("acme", "batch")
    make_node("other", tasks={"letters": None}).close()
    began = clock.now
    fail("no file 1")
    fail("no file 2", client="acme")
    fail(None, outcome=Outcome.finished())
    fail("disk full")
    job_id, run_id = fail("no file 3")

    files, disk = store.failures.groups()

    assert (files.task, files.pattern, files.error, files.count) == ("ocr", "no file #", "no file 3", 3)
    assert (files.last_job_id, files.last_run_id, files.clients) == (job_id, run_id, {"default", "acme"})
    assert (files.first_at - began).total_seconds() == 60
    assert files.last_at == clock.now
    assert (disk.pattern, disk.count) == ("disk full", 1)


def test_failures_are_found_by_client_task_and_time(store, fail, clock):
    acme = store.clients.add("acme", "batch")["id"]
    fail("no file 1", client="acme")
    between = clock.now.replace(second=30)
    fail("no file 2")

    def counted(**wanted):
        return [(group.count, group.clients) for group in store.failures.groups(**wanted)]

    assert counted() == [(2, {"acme", "default"})]
    assert counted(client="acme") == counted(visible=[acme]) == [(1, {"acme"})]
    assert counted(since=between) == [(1, {"default"})]
    assert counted(task="letters") == counted(visible=[]) == counted(client="nobody") == []
