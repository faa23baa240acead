"""The gate before the log: who floods is held back, and everybody hears of it."""

from __future__ import annotations

import logging
import tracemalloc
from dataclasses import replace

import pytest
from log_readers import CLAIM, record

from taskserver.daemon.logs.flood import MOST_LINES, WINDOW_SECONDS, FloodGate
from taskserver.log_fields import about, fields_of, said_by_task


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(clock):
    return FloodGate(clock=clock)


def texts(records) -> list[str]:
    return [record.getMessage() for record in records]


def flood(gate, lines, **fields):
    return [said for number in range(lines) for said in gate.admit(record("%d", number, **fields))]


def test_a_run_that_floods_is_held_back_until_its_window_is_over(gate, clock):
    said = flood(gate, MOST_LINES + 500, **said_by_task(CLAIM))
    clock.now += WINDOW_SECONDS
    after = gate.admit(record("after", **said_by_task(CLAIM)))

    assert len(said) == MOST_LINES + 1
    assert said[-1].levelno == logging.WARNING
    assert fields_of(said[-1]).job_id == 4711
    assert texts(after) == ["500 lines were left out", "after"]
    assert fields_of(after[0]).job_id == 4711


def test_what_was_left_out_is_said_also_when_the_run_says_nothing_more(gate, clock):
    flood(gate, MOST_LINES + 500, **said_by_task(CLAIM))
    clock.now += 2 * WINDOW_SECONDS

    assert texts(gate.admit(record("of somebody else"))) == ["500 lines were left out", "of somebody else"]


def test_other_runs_and_the_daemon_are_heard(gate):
    flood(gate, MOST_LINES * 2, **said_by_task(CLAIM))

    for fields in (said_by_task(replace(CLAIM, run_id=13)), about(CLAIM), {}):
        assert texts(gate.admit(record("heard", **fields))) == ["heard"]


def test_a_logger_that_floods_at_one_level_is_heard_at_the_others(gate):
    flood(gate, MOST_LINES * 2, name="taskserver.executors", **about(CLAIM))

    failed = record("failed", level=logging.ERROR, name="taskserver.executors")
    assert texts(gate.admit(failed)) == ["failed"]


def test_who_is_within_the_limit_is_never_mentioned(gate, clock):
    said = []
    for _ in range(10):
        said += flood(gate, MOST_LINES - 1, **said_by_task(CLAIM))
        clock.now += WINDOW_SECONDS

    assert len(said) == 10 * (MOST_LINES - 1)


def test_many_runs_leave_nothing_behind(gate, clock):
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(50_000):
        gate.admit(record("x", **said_by_task(replace(CLAIM, run_id=number, data={"x": "x" * 1000}))))
        clock.now += 0.01
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert len(gate._sources) < 10_000
    assert kept < 5_000_000
