"""The proof that the dispatcher's loop comes round."""

from __future__ import annotations

import threading
import time

from waiting import eventually

from taskserver import task
from taskserver.dispatcher import Beat


def test_a_beat_is_as_old_as_its_last_stroke():
    beat = Beat()
    first = beat.at()

    again = beat.at()
    beat.strike()

    assert first == again < beat.at()


def test_who_waits_for_the_database_is_alive():
    beat = Beat()

    with beat.waiting_for_database():
        first = time.monotonic()
        second = eventually(lambda: beat.at() if time.monotonic() > first else None)

    assert first < second
    assert beat.at() == beat.at()


def test_a_sleep_is_shortened_only_for_somebody_who_listens():
    assert Beat().bounded(15) == 15
    assert Beat(seconds=10).bounded(15) == 10
    assert Beat(seconds=10).bounded(3) == 3


def test_an_idle_server_beats_as_often_as_it_was_asked_to(serve):
    served = serve(poll_interval=3600, beat_seconds=0.05)

    for _ in range(3):
        before = served.server.alive_at()
        eventually(lambda before=before: served.server.alive_at() > before, what="another beat")


def test_a_server_whose_dispatcher_hangs_does_not_beat(serve):
    @task("quick")
    def quick() -> None:
        pass

    hold, entered = threading.Event(), threading.Event()
    served = serve(quick, poll_interval=0.1, beat_seconds=0.05)

    def hang() -> None:
        entered.set()
        assert hold.wait(30)

    served.server._dispatcher._pool.expire = hang
    served.server.wake()
    assert entered.wait(30)
    frozen = served.server.alive_at()
    time_passed = time.monotonic()
    eventually(lambda: time.monotonic() > time_passed + 0.3)
    still = served.server.alive_at()
    hold.set()

    assert still == frozen


def test_it_is_told_when_its_status_changes(serve):
    go_on, changes, started = threading.Event(), [], []

    def changed() -> None:
        if started:  # it may be told something before `serve` has returned
            changes.append(started[0].server.status()["busy"])

    @task("slow")
    def slow() -> None:
        go_on.wait(30)

    served = serve(slow, changed=changed)
    started.append(served)
    job_id = served.add("slow")
    eventually(lambda: 1 in changes)
    go_on.set()
    served.ended(job_id)
    eventually(lambda: changes[-1] == 0)
    seen = len(changes)

    eventually(lambda: served.server.status()["waiting"] == 0)
    assert len(changes) - seen <= 1  # it may still tell that nothing waits; then nothing changes any more
