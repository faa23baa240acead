from __future__ import annotations

import threading
from datetime import timedelta

HOUR = timedelta(hours=1)


def test_a_link_works_once(store):
    store.login_links.make("h", "first", lifetime=HOUR)

    worked = [store.login_links.works("h", "first"), store.login_links.use("h", "first")]

    assert worked == [True, True]
    assert store.login_links.works("h", "first") is False
    assert store.login_links.use("h", "first") is False


def test_a_link_works_for_its_purpose_and_its_time_only(store, clock):
    store.login_links.make("h", "first", lifetime=HOUR)

    other = store.login_links.use("h", "other")
    clock.advance(hours=1, seconds=1)

    assert other is False
    assert store.login_links.use("h", "first") is False


def test_a_new_link_takes_the_place_of_the_earlier_one(store):
    store.login_links.make("old", "first", lifetime=HOUR)
    store.login_links.make("new", "first", lifetime=HOUR)

    assert store.login_links.works("old", "first") is False
    assert store.login_links.works("new", "first") is True


def test_of_two_who_use_a_link_at_once_one_is_let_in(store):
    store.login_links.make("h", "first", lifetime=HOUR)
    begin, answers = threading.Barrier(4), []

    def use():
        begin.wait()
        answers.append(store.login_links.use("h", "first"))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(answers) == [False, False, False, True]
