from __future__ import annotations

import threading

import pytest

from taskserver.store.errors import KeyReused


def test_a_request_sent_twice_is_done_once(store):
    def act():
        return {"id": store.jobs.enqueue("ocr").id}

    first, second = (store.idempotency.once("k", "r", act) for _ in range(2))

    assert second == (first[0], True)
    assert first[1] is False
    assert len(store.jobs.find()) == 1


def test_another_request_under_the_same_key_is_refused(store):
    store.idempotency.once("k", "r", lambda: 1)

    with pytest.raises(KeyReused):
        store.idempotency.once("k", "other", lambda: 2)


def test_a_request_that_fails_may_be_sent_again(store):
    def fail():
        store.jobs.enqueue("ocr")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.idempotency.once("k", "r", fail)

    assert store.jobs.find() == []
    assert store.idempotency.once("k", "r", lambda: "done") == ("done", False)


def test_two_at_once_get_one_answer(store):
    begin, answers = threading.Barrier(3), []

    def send():
        begin.wait()
        answers.append(store.idempotency.once("k", "r", lambda: store.jobs.enqueue("ocr").id))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len({answer for answer, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False, True, True]
    assert len(store.jobs.find()) == 1


def test_a_key_is_free_again_after_a_day(store, clock, sql):
    store.idempotency.once("k", "r", lambda: 1)
    store.idempotency.once("old", "r", lambda: 1)
    clock.advance(hours=12)
    store.idempotency.once("young", "r", lambda: 1)
    clock.advance(hours=12, seconds=1)

    assert store.idempotency.once("k", "other", lambda: 3) == (3, False)
    assert store.idempotency.once("young", "r", lambda: 4) == (1, True)
    assert sorted(row[0] for row in sql("SELECT key_hash FROM idempotency_keys")) == ["k", "young"]
