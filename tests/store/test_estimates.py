from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store.estimates import time_left

NOW = datetime(2026, 11, 22, 8, 10, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=2)


@pytest.fixture
def run(store, node, clock):
    def make(seconds, outcome=None, client="default"):
        store.jobs.enqueue("ocr", client=client)
        (claim,) = node.claim()
        clock.advance(seconds=seconds)
        node.end(claim, outcome or Outcome.finished())

    return make


def test_the_usual_duration_of_a_task_is_the_median_of_its_finished_runs(store, run):
    for seconds in (10, 12, 600):
        run(seconds)
    run(1, Outcome.failed("boom"))

    assert store.estimates.durations() == {"ocr": timedelta(seconds=12)}


def test_runs_of_clients_that_are_not_seen_tell_nothing(store, run):
    acme = store.clients.add("acme", "batch")["id"]
    run(10)

    assert store.estimates.durations(visible=[acme]) == {}
    run(30, client="acme")
    assert store.estimates.durations(visible=[acme]) == {"ocr": timedelta(seconds=30)}


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ({"progress": 25.0, "usual": timedelta(hours=1)}, timedelta(minutes=6)),
        ({"progress": 100.0, "usual": None}, timedelta(0)),
        ({"progress": None, "usual": timedelta(minutes=5)}, timedelta(minutes=3)),
        ({"progress": 0.0, "usual": timedelta(minutes=5)}, timedelta(minutes=3)),
        ({"progress": None, "usual": timedelta(minutes=1)}, timedelta(0)),
        ({"progress": None, "usual": None}, None),
        ({"progress": 250.0, "usual": None}, None),
    ],
)
def test_the_time_left_goes_by_progress_else_by_earlier_runs(known, left):
    assert time_left(started_at=BEGAN, now=NOW, **known) == left
    assert time_left(started_at=None, now=NOW, **known) is None


def test_the_last_ten_outcomes_of_each_entry_come_newest_first(store, node, clock):
    often, seldom, never = (
        store.entries.add(name, "ocr", cron_spec="0 3 * * *", time_zone="UTC")
        for name in ("often", "seldom", "never")
    )
    for number in range(12):
        store.entries.run(often)
        (claim,) = node.claim()
        clock.advance(seconds=1)
        node.end(claim, Outcome.failed("boom") if number == 11 else Outcome.finished())
    store.entries.run(seldom)
    (claim,) = node.claim()
    node.end(claim)

    found = store.estimates.last_outcomes([often, seldom, never])

    assert [run["status"] for run in found[often]] == ["failed"] + ["finished"] * 9
    assert [run["id"] for run in found[often]] == sorted((run["id"] for run in found[often]), reverse=True)
    assert [run["id"] for run in found[seldom]] == [claim.run_id]
    assert never not in found
    assert store.estimates.last_outcomes([seldom]) == {seldom: found[seldom]}
