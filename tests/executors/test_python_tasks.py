from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from datetime import timedelta

import pytest
from waiting import eventually

from taskserver.executors.storable import ERROR_BYTES, RESULT_BYTES
from taskserver.jobs import Reason, RunStatus, Status
from taskserver.tasks import Fail, Retry, Stopped, TimedOut


def test_a_result_is_stored_as_text_a_dict_or_list_as_json(bench):
    def work(ctx, month: str): return {"month": month, "names": ["Müller", None]}  # fmt: skip

    bench.offer(work)

    outcome = bench.run(data={"month": "2026-11"})

    assert (outcome.run_status, outcome.job_status) == (RunStatus.FINISHED, Status.FINISHED)
    assert outcome.result == '{"month": "2026-11", "names": ["Müller", null]}'
    assert outcome.cpu_seconds >= 0


def test_a_text_stays_as_it_is_and_so_does_what_json_has_no_form_for(bench):
    results = {"text": "{'a': 1}", "set": {"ids": {1}}, "nan": [float("nan")], "number": 7}
    bench.offer(lambda which: results[which])

    told = {which: bench.run(data={"which": which}).result for which in results}

    assert told == {"text": "{'a': 1}", "set": "{'ids': {1}}", "nan": "[nan]", "number": "7"}


def test_no_result_is_no_text_and_a_huge_one_is_cut(bench):
    results = {"none": None, "huge": "ä" * 1_000_000, "odd": "a\0b\ud800c", "wordless": Wordless()}
    bench.offer(lambda which: results[which])

    assert bench.run(data={"which": "none"}).result is None
    huge = bench.run(data={"which": "huge"}).result
    assert len(huge.encode()) <= RESULT_BYTES and huge.endswith("…")
    assert bench.run(data={"which": "odd"}).result == "ab\ufffdc"
    assert "Wordless" in bench.run(data={"which": "wordless"}).result


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (ValueError("wrong\0\udfff"), Reason.ERROR, "ValueError: wrong\ufffd"),
        (ValueError("x" * 1_000_000), Reason.ERROR, "ValueError: xxx"),
        (MemoryError(), Reason.MEMORY, "MemoryError"),
        (SystemExit(3), Reason.ERROR, "sys.exit(3)"),
        (KeyboardInterrupt(), Reason.ERROR, "KeyboardInterrupt"),
        (GeneratorExit(), Reason.ERROR, "GeneratorExit"),
        (Odd("strange"), Reason.ERROR, "Odd: strange"),
        (Wordless(), Reason.ERROR, "without a text"),
        (Stopped(), Reason.ERROR, "nobody asked"),
        (TimedOut(), Reason.TIMEOUT, "nobody asked"),
        (asyncio.CancelledError(), Reason.ERROR, "CancelledError"),
        (ExceptionGroup("many", [ValueError(1)]), Reason.ERROR, "many"),
    ],
)
def test_whatever_a_task_raises_becomes_a_failure_and_the_slot_goes_on(bench, error, reason, text):
    def work():
        raise error

    bench.offer(work)
    bench.offer(lambda: "fine", name="next")

    outcome = bench.run()

    assert (outcome.run_status, outcome.job_status, outcome.reason) == (RunStatus.FAILED, Status.FAILED, reason)
    assert text in outcome.error and len(outcome.error.encode()) <= ERROR_BYTES
    assert bench.run("next").result == "fine"


def test_the_root_cause_is_told_in_the_first_line(bench):
    def work():
        try:
            try:
                {}["page"]
            except KeyError as error:
                raise ValueError("no page\nsecond line") from error
        except ValueError as error:
            raise RuntimeError("could not convert\nbook 7") from error

    def round_about():
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    def on_the_way():
        try:
            {}["page"]
        except KeyError:
            raise RuntimeError("something else") from None

    told = {}
    for task in (work, round_about, on_the_way):
        bench.offer(task)
        told[task.__name__] = bench.run().error

    assert told["work"] == "RuntimeError: could not convert (cause: KeyError: 'page')\nbook 7"
    assert told["round_about"] == "ValueError: first (cause: ValueError: second)"
    assert told["on_the_way"] == "RuntimeError: something else"


def test_the_traceback_begins_with_the_tasks_own_frames(bench):
    def inner():
        raise ValueError("deep")

    def work():
        inner()

    async def later():
        inner()

    bench.offer(work)
    bench.offer(later, name="later")

    for name in ("work", "later"):
        lines = bench.run(name).traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert __file__ in lines[1] and f"in {name}" in lines[1]
        assert lines[-1] == "ValueError: deep"
        assert "executors/python.py" not in "".join(lines)


def test_an_endless_recursion_has_a_bounded_traceback(bench):
    def work():
        work()

    bench.offer(work)

    assert len(bench.run().traceback) < 20_000


def test_wrong_arguments_fail_without_retry(bench):
    bench.offer(lambda n: n, max_attempts=5)

    outcome = bench.run(data={"m": 1})

    assert (outcome.job_status, outcome.reason) == (Status.FAILED, Reason.ARGUMENTS)
    assert "n: is missing" in outcome.error and "m: is unknown" in outcome.error
    assert bench.run(data=[1]).reason is Reason.ARGUMENTS


def test_wrong_arguments_that_a_task_itself_meets_are_an_ordinary_error(bench):
    bench.offer(lambda: bench.pool.registry.get("other").validate({"m": 1}), max_attempts=2)
    bench.offer(lambda n: n, name="other")

    outcome = bench.run()

    assert (outcome.job_status, outcome.reason) == (Status.WAITING, Reason.ERROR)


def test_a_task_that_this_node_lacks_is_released(bench):
    assert bench.run("nobody.knows").job_status is Status.WAITING


def test_failures_are_retried_with_growing_waits_while_attempts_remain(bench):
    def work():
        raise ValueError

    bench.offer(work, max_attempts=8, retry_delay=10, retry_max_delay=100)

    waits = [bench.run(attempt=attempt).retry_in.total_seconds() for attempt in range(7)]

    for wait, expected in zip(waits, [10, 20, 40, 80, 100, 100, 100], strict=True):
        assert expected * 0.75 <= wait <= min(expected * 1.25, 100)
    assert bench.run(attempt=7).job_status is Status.FAILED
    assert bench.run(attempt=1, max_attempts=2).job_status is Status.FAILED
    assert bench.run(attempt=8, max_attempts=20).job_status is Status.WAITING


def test_a_task_may_ask_for_a_retry_or_fail_for_good(bench):
    def again():
        raise Retry("not yet", after=90)

    def never():
        raise Fail("no such customer")

    bench.offer(again, name="again", max_attempts=2)
    bench.offer(never, name="never", max_attempts=9)

    first, last, failed = bench.run("again"), bench.run("again", attempt=1), bench.run("never")

    assert (first.job_status, first.retry_in, first.error) == (Status.WAITING, timedelta(seconds=90), "not yet")
    assert (last.job_status, last.error) == (Status.FAILED, "not yet")
    assert (failed.job_status, failed.error) == (Status.FAILED, "no such customer")


@pytest.mark.parametrize(
    ("reason", "run_status", "job_status"),
    [
        (Reason.STOPPED, RunStatus.STOPPED, Status.STOPPED),
        (Reason.DRAINED, RunStatus.STOPPED, Status.WAITING),
        (Reason.LOST, RunStatus.STOPPED, Status.WAITING),
        (Reason.TIMEOUT, RunStatus.FAILED, Status.FAILED),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async", "async progress"])
def test_a_stop_arrives_and_its_reason_decides(bench, reason, run_status, job_status, kind):
    began = threading.Event()

    def sync(ctx):
        while True:
            ctx.progress(1)
            began.set()
            time.sleep(0.001)

    async def asynchronous(ctx):
        began.set()
        await asyncio.sleep(1000)

    async def telling(ctx):
        sync(ctx)

    bench.offer({"sync": sync, "async": asynchronous}.get(kind, telling), timeout=1000)
    claim = bench.submit()
    assert began.wait(5)

    bench.pool.stop(claim.run_id, reason)

    outcome = bench.done().outcome
    assert (outcome.run_status, outcome.job_status, outcome.reason) == (run_status, job_status, reason)


def test_a_stop_before_the_run_begins_is_not_lost(bench):
    slots_free = threading.Event()
    bench.offer(lambda: slots_free.wait(10), name="busy")
    bench.offer(lambda: "it ran all the same")
    for _ in range(4):
        bench.submit("busy")
    claim = bench.submit()

    bench.pool.stop(claim.run_id, Reason.STOPPED)
    slots_free.set()

    ended = {done.claim.run_id: done.outcome for done in (bench.done() for _ in range(5))}
    assert ended[claim.run_id].job_status is Status.STOPPED


def test_a_task_that_ends_in_its_own_way_after_a_stop_has_finished(bench):
    began = threading.Event()

    def work(ctx):
        began.set()
        while not ctx.stop_requested:
            time.sleep(0.001)
        return "half of it"

    bench.offer(work)
    claim = bench.submit()
    assert began.wait(5)

    bench.pool.stop(claim.run_id, Reason.STOPPED)

    assert bench.done().outcome.result == "half of it"


def test_a_task_that_does_not_look_is_interrupted_after_the_grace(bench):
    def work():
        while True:
            time.sleep(0.001)

    bench.offer(work, timeout=0.05)
    bench.offer(lambda: "fine", name="next")
    bench.submit()

    eventually(lambda: (bench.pool.expire(), not bench.pool.running())[1])

    outcome = bench.done().outcome
    assert (outcome.job_status, outcome.reason) == (Status.FAILED, Reason.TIMEOUT)
    assert outcome.error == "ran longer than its limit of 0.05 s"
    assert [bench.run("next").result for _ in range(20)] == ["fine"] * 20


def test_expire_tells_when_to_look_again(bench):
    release = threading.Event()
    bench.offer(lambda: release.wait(10), timeout=100)
    bench.offer(lambda: release.wait(10), name="endless")
    assert bench.pool.expire() is None

    bench.submit("endless")
    eventually(lambda: bench.pool._slots)
    assert bench.pool.expire() is None
    bench.submit()
    eventually(lambda: len(bench.pool._slots) == 2)

    assert 99 < bench.pool.expire() <= 100
    release.set()


def test_a_task_that_swallows_everything_keeps_its_slot_and_nothing_else(bench):
    release = threading.Event()

    def stubborn():
        while not release.is_set():
            try:
                while not release.is_set():
                    time.sleep(0.001)
            except BaseException:  # noqa: BLE001
                pass

    bench.offer(stubborn, name="stubborn", timeout=0.05)
    bench.offer(lambda: "fine")
    claim = bench.submit("stubborn")
    for _ in range(100):
        bench.pool.expire()
        time.sleep(0.002)
    bench.pool.stop(claim.run_id, Reason.STOPPED)

    assert [bench.run().result for _ in range(10)] == ["fine"] * 10
    assert bench.pool.free == 3
    release.set()


def test_a_killed_task_is_interrupted(bench):
    began = threading.Event()

    def work():
        began.set()
        while True:
            time.sleep(0.001)

    bench.offer(work)
    claim = bench.submit()
    assert began.wait(5)

    bench.pool.kill(claim.run_id)

    outcome = bench.done().outcome
    assert (outcome.job_status, outcome.reason) == (Status.STOPPED, Reason.KILLED)


def test_an_interruption_never_hits_anything_but_its_task(bench):
    """Timeouts that pass at the very moment in which tasks end: every slot survives, every Done arrives."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    bench.offer(lambda: time.sleep(0.003))
    try:
        for _ in range(100):
            claims = [bench.submit() for _ in range(4)]
            time.sleep(0.0028)
            for claim in claims:
                bench.pool.kill(claim.run_id)
            assert {bench.done().claim.run_id for _ in range(4)} == {claim.run_id for claim in claims}
    finally:
        sys.setswitchinterval(switch)

    assert bench.pool._threads == 4
    assert bench.run().job_status is Status.FINISHED


@pytest.mark.parametrize("interrupted", [False, True])
def test_tasks_can_be_traced_and_profiled_after_earlier_ones(interrupted):
    """In a process of its own, which hangs where this fails."""
    program = f"""
import cProfile
from taskserver.executors.python import Interruption
from taskserver.tasks import TimedOut
interruption = Interruption()
interruption.begin()
try:
    while {interrupted}:
        interruption.interrupt(TimedOut)
except TimedOut:
    pass
interruption.end()
cProfile.Profile().runcall(lambda: (lambda: None)())
"""

    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


def test_async_tasks_run_in_a_loop_of_their_own(bench):
    async def work(ctx, n: int):
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        ctx.progress(50)
        return n + 1

    bench.offer(work)

    assert bench.run(data={"n": 1}).result == "2"


def test_nothing_leaks_from_one_job_into_the_next(bench):
    variable = ContextVar("variable", default="clean")

    def work():
        seen = variable.get()
        variable.set("dirty")
        return seen

    bench.offer(work)

    assert [bench.run().result for _ in range(5)] == ["clean"] * 5
