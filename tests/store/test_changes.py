"""What has changed since a moment: nothing is missed, whatever others do meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskserver.store import changes


@pytest.fixture
def acme(store):
    return store.clients.add("acme", login="clerk")["id"]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(changes, "WINDOW", 3)
    monkeypatch.setattr(changes, "WINDOWS", 5)


def test_a_job_is_told_that_was_queued_before_very_many_of_others(store, acme, clock):
    begun = clock.now
    mine = store.jobs.enqueue("ocr", client="acme", run_at=clock.now + timedelta(days=1)).id
    store.jobs.enqueue_many("ocr", [{}] * 10)

    changed = store.changes.since(begun, visible=[acme])

    assert [row["id"] for row in changed.rows] == [mine]
    assert changed.too_many is False


def test_where_nobody_would_look_so_far_back_the_list_is_to_be_read_again(store, acme, clock):
    begun = clock.now
    store.jobs.enqueue("ocr", client="acme", run_at=clock.now + timedelta(days=1))
    store.jobs.enqueue_many("ocr", [{}] * 20)

    assert store.changes.since(begun, visible=[acme]).too_many is True


def test_what_was_queued_before_the_moment_is_not_looked_through(store, acme, clock):
    store.jobs.enqueue("ocr", client="acme", run_at=clock.now + timedelta(days=1))
    store.jobs.enqueue_many("ocr", [{}] * 40)
    clock.advance(minutes=1)
    mine = store.jobs.enqueue("ocr", client="acme", run_at=clock.now + timedelta(days=1)).id

    changed = store.changes.since(clock.now, visible=[acme])

    assert ([row["id"] for row in changed.rows], changed.too_many) == ([mine], False)


def test_a_job_that_was_deleted_is_told_however_much_others_do(store, acme, clock):
    begun = clock.now
    mine = store.jobs.enqueue("ocr", client="acme").id
    store.jobs.delete(mine)
    store.audit.write("job.delete", actor="anna", source="", client_id=acme, job_id=mine, detail={})
    for number in range(10):
        store.audit.write("job.stop", actor="bert", source="", client_id=1, job_id=number + 100, detail={})

    assert store.changes.since(begun, visible=[acme]).gone == [mine]


@pytest.mark.parametrize("action", ["job.delete_finished", "job.delete_all"])
@pytest.mark.parametrize(("of", "is_told"), [("acme", True), ("all", True), ("another", False)])
def test_where_many_were_deleted_at_once_the_list_is_to_be_read_again(store, acme, clock, action, of, is_told):
    client_id = {"acme": acme, "all": None, "another": 1}[of]
    store.audit.write(action, actor="anna", source="", client_id=client_id, job_id=None, detail={})

    assert store.changes.since(clock.now, visible=[acme]).too_many is is_told
    assert store.changes.since(clock.now).too_many is True
