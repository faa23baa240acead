from __future__ import annotations

import threading

import pytest
from waiting import eventually

from taskserver.clock import system_clock
from taskserver.executors.output import Output
from taskserver.jobs import Reason, Status


def test_progress_is_coalesced_and_lines_are_kept_in_order(bench):
    told, go_on = threading.Event(), threading.Event()

    def work(ctx):
        for number in range(1000):
            ctx.progress(number / 10, f"page {number}")
        ctx.logger.info("one\ntwo")
        ctx.logger.warning("three")
        told.set()
        go_on.wait(5)
        ctx.logger.info("four")

    bench.offer(work)
    bench.submit()
    assert told.wait(5)

    (report,) = bench.look()
    assert (report.progress, report.detail) == (99.9, "page 999")
    assert [line.text for line in report.lines] == ["one", "two", "WARNING three"]
    assert bench.look() == []
    go_on.set()
    bench.done()
    assert [(line.seq, line.text) for line in bench.lines()][-1] == (4, "four")
    assert bench.look() == []


def test_details_are_made_storable(bench):
    bench.offer(lambda ctx: ctx.progress(None, "a\0b" + "x" * 5000))

    bench.run()

    (report,) = bench.look()
    assert report.progress is None
    assert report.detail.startswith("abx") and len(report.detail.encode()) <= 1000


def test_of_too_much_output_the_beginning_and_the_end_are_kept():
    output = Output(1000, clock=system_clock)

    for number in range(1000):
        output.add("log", f"line {number}")
    live = output.take()
    output.end()
    rest = output.take()

    assert live[0].text == "line 0" and len(live) < 100
    assert rest[0].stream == "server" and "left out" in rest[0].text
    assert rest[-1].text == "line 999"
    assert [line.seq for line in live + rest] == list(range(1, len(live) + len(rest) + 1))
    assert sum(len(line.text) for line in live + rest) < 1100
    left_out = int(rest[0].text.split()[1])
    assert left_out + sum(len(line.text) + 1 for line in live + rest[1:]) == pytest.approx(
        sum(len(f"line {number}") + 1 for number in range(1000)), abs=1
    )


def test_a_checkpoint_returns_when_it_is_committed(bench):
    order = []

    def work(ctx):
        ctx.checkpoint({"last": 1})
        order.append("returned")
        return ctx.checkpoint_data

    bench.offer(work)
    claim = bench.submit()
    bench.urgent.get(timeout=5)

    (report,) = bench.look()
    assert report.has_checkpoint and report.checkpoint == {"last": 1}
    assert bench.pool.running() and bench.look() == []
    order.append("committed")
    bench.pool.checkpoints_committed([claim.run_id])

    assert bench.done().outcome.result == "{'last': 1}"
    assert order == ["committed", "returned"]


def test_a_lost_claim_ends_the_wait_for_a_checkpoint(bench):
    bench.offer(lambda ctx: ctx.checkpoint({"last": 1}))
    claim = bench.submit()
    bench.urgent.get(timeout=5)
    bench.look()

    bench.pool.claims_lost([claim.run_id])

    outcome = bench.done().outcome
    assert (outcome.job_status, outcome.reason) == (Status.WAITING, Reason.LOST)


def test_a_checkpoint_that_is_no_json_fails_clearly(bench):
    bench.offer(lambda ctx: ctx.checkpoint({"at": object()}))

    assert "checkpoint can't be kept as JSON" in bench.run().error


def test_a_claim_is_never_out_of_sight_until_its_end_is_handed_on(bench):
    """Between the end of a run and its Done the dispatcher must not take it for one that nobody runs."""
    seen = []

    def on_done(done):
        seen.append(([job.run_id for job in bench.pool.running()], bench.pool.free))
        bench.dones.put(done)

    bench.pool._on_done = on_done
    bench.offer(lambda: None)
    claim = bench.submit()
    bench.done()

    assert seen == [([claim.run_id], 4)]
    eventually(lambda: not bench.pool.running())


def test_the_pool_tells_what_runs_and_what_is_free(bench):
    release = threading.Event()
    bench.offer(lambda: release.wait(10))

    claims = [bench.submit() for _ in range(3)]

    assert bench.pool.free == 1
    assert {job.run_id for job in bench.pool.running()} == {claim.run_id for claim in claims}
    bench.pool.resize(2)
    assert bench.pool.free == 0
    release.set()
    eventually(lambda: not bench.pool.running())
    assert bench.pool.free == 2
    bench.pool.resize(6)
    assert bench.pool.free == 6
    for _ in range(3):
        bench.done()
    together = threading.Barrier(6)
    bench.offer(lambda: together.wait(5), name="together")
    for _ in range(6):
        bench.submit("together")
    assert {bench.done().outcome.job_status for _ in range(6)} == {Status.FINISHED}
