"""The figures that a watcher is told: counted once, whoever ends late, and equal to what the tables say."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import Tally, figures
from taskserver.store.figures import DURATIONS, WAITS, JobFigure, MissedFigure


@pytest.fixture
def tally():
    return Tally()


def test_runs_are_counted_by_task_and_outcome(store, node, claimed, tally):
    node.end(claimed(), Outcome.finished())
    node.end(claimed(), Outcome.finished())
    node.end(claimed(), Outcome.failed("no such file"))

    store.figures.count_runs(tally)

    assert tally.outcomes == {("ocr", "finished"): 2, ("ocr", "failed"): 1}


def test_a_run_is_counted_once(store, node, claimed, tally):
    node.end(claimed())
    store.figures.count_runs(tally)

    store.figures.count_runs(tally)
    node.end(claimed())
    store.figures.count_runs(tally)

    assert tally.outcomes == {("ocr", "finished"): 2}


def test_a_run_that_ends_after_later_ones_is_counted(store, node, claimed, tally):
    long, longer, short = claimed(), claimed(), claimed()
    node.end(short)
    store.figures.count_runs(tally)
    before = dict(tally.outcomes), set(tally.pending)

    node.end(long)
    store.figures.count_runs(tally)
    node.end(longer)
    store.figures.count_runs(tally)

    assert before == ({("ocr", "finished"): 1}, {long.run_id, longer.run_id})
    assert (tally.outcomes, tally.pending) == ({("ocr", "finished"): 3}, set())


def test_a_run_that_lost_its_claim_without_a_word_is_forgotten(store, node, claimed, tally, sql):
    lost = claimed()
    node.end(claimed())
    store.figures.count_runs(tally)

    sql("UPDATE jobs SET status = 'waiting', claim = NULL, claimed_by = NULL WHERE id = :id", id=lost.job_id)
    store.figures.count_runs(tally)

    assert (tally.outcomes, tally.pending) == ({("ocr", "finished"): 1}, set())


def test_many_runs_are_counted_window_by_window(store, node, claimed, tally, monkeypatch):
    monkeypatch.setattr(figures, "WINDOW", 3)
    running = claimed()
    for _ in range(7):
        node.end(claimed())

    store.figures.count_runs(tally)

    assert tally.outcomes == {("ocr", "finished"): 7}
    assert tally.pending == {running.run_id}


def test_it_is_told_how_long_runs_took_and_jobs_waited(store, node, clock, tally):
    for waited, took in ((0.02, 0.3), (2, 20), (2, 100_000)):
        job = store.jobs.enqueue("ocr")
        clock.advance(seconds=waited)
        (claim,) = node.claim()
        assert claim.job_id == job.id
        clock.advance(seconds=took)
        node.end(claim)

    store.figures.count_runs(tally)

    durations, waits = tally.durations["ocr"], tally.waits["ocr"]
    assert dict(zip(DURATIONS, durations.within, strict=True)) == {
        **dict.fromkeys(DURATIONS, 0),
        **{0.5: 1, 1: 1, 5: 1, 15: 1},
        **dict.fromkeys((60, 300, 900, 3600, 14400), 2),
    }
    assert (durations.count, durations.total) == (3, pytest.approx(100_020.3, abs=0.01))
    assert dict(zip(WAITS, waits.within, strict=True))[0.05] == 1
    assert (waits.count, waits.total) == (3, pytest.approx(4.02, abs=0.01))
    assert tally.lags == {}


def test_it_is_told_how_late_jobs_of_cron_entries_started(store, node, clock, tally):
    store.entries.add("nightly", "ocr", {}, cron_spec="0 3 * * *", time_zone="UTC")
    (entry,) = store.entries.find()
    clock.advance(seconds=(entry["next_run_at"] - clock.now).total_seconds() + 12)

    (claim,) = node.claim()
    node.end(claim)
    store.figures.count_runs(tally)

    assert (tally.lags["ocr"].count, tally.lags["ocr"].total) == (1, pytest.approx(12, abs=0.01))


def test_jobs_are_counted_by_client_and_status_with_the_oldest_that_waits(store, node, claimed, clock):
    store.clients.add("acme", login="batch")
    claimed()
    first = clock.now
    store.jobs.enqueue("ocr", client="acme")
    clock.advance(seconds=5)
    store.jobs.enqueue("ocr", client="acme")
    store.jobs.enqueue("ocr", client="default", run_at=clock.now + timedelta(hours=1))
    store.entries.add("nightly", "ocr", {}, cron_spec="0 3 * * *", time_zone="UTC")

    found = sorted(store.figures.jobs(), key=lambda figure: (figure.client, figure.status))

    assert found == [
        JobFigure("acme", "waiting", 2, first),
        JobFigure("default", "running", 1, None),
        JobFigure("default", "waiting", 1, None),
    ]


def test_missed_due_times_are_told_by_client_and_reason(store, node, clock):
    store.entries.add("nightly", "ocr", {}, cron_spec="0 3 * * *", time_zone="UTC")
    node.turn()
    clock.advance(days=10)
    node.turn()

    missed = store.figures.missed()

    assert [(each.client, each.count) for each in missed] == [("default", 9)]
    assert isinstance(missed[0], MissedFigure)


def test_what_ends_while_it_is_counted_is_counted_once(store, node, claimed, tally, monkeypatch):
    """Between the look at the claims and the look at the runs everything may happen."""
    running = [claimed() for _ in range(3)]
    node.end(claimed())
    held = store.figures._held
    ends = itertools.count()

    def hold(connection, after, to):
        found = held(connection, after, to)
        if (number := next(ends)) < len(running) and not store.database.dialect.one_writer:
            node.end(running[number])
        return found

    monkeypatch.setattr(store.figures, "_held", hold)
    for _ in range(4):
        store.figures.count_runs(tally)
    for claim in running:
        node.end(claim)
    store.figures.count_runs(tally)

    assert tally.outcomes == {("ocr", "finished"): 4}
