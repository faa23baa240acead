from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from taskserver.jobs import Claim, Reason
from taskserver.tasks import Context, NotStorable, Stopped, TimedOut
from taskserver.tasks.samples import sample

CLAIM = Claim(
    run_id=7,
    job_id=4711,
    client_id=1,
    client="acme",
    login="clerk",
    task="work",
    title="",
    data={},
    attempt=1,
    max_attempts=None,
    crashes=0,
    started_at=datetime(2026, 11, 22, tzinfo=UTC),
    due_at=None,
    cron_entry_id=None,
    checkpoint={"last": 3},
)


class Told:
    """A channel that only takes note."""

    def __init__(self) -> None:
        self.reports, self.lines, self.checkpoints = [], [], []
        self.reason = None

    def report(self, progress, detail):
        self.reports.append((progress, detail))

    def line(self, stream, text):
        self.lines.append((stream, text))

    def stop_reason(self):
        return self.reason

    def save_checkpoint(self, data):
        self.checkpoints.append(data)

    def transaction(self):
        return nullcontext("connection")


def test_a_task_sees_whom_it_works_for():
    ctx = Context(CLAIM, Told())

    assert (ctx.client, ctx.login, ctx.job_id, ctx.run_id, ctx.task) == ("acme", "clerk", 4711, 7, "work")
    assert ctx.attempt == 2
    assert ctx.due_at is None
    assert ctx.checkpoint_data == {"last": 3}


def test_progress_is_cut_to_its_range_and_nan_is_refused():
    told = Told()
    ctx = Context(CLAIM, told)

    ctx.progress(140, "much")
    ctx.progress(-3)
    ctx.detail = "page 2"

    assert told.reports == [(100.0, "much"), (0.0, None), (None, "page 2")]
    assert ctx.detail == "page 2"
    with pytest.raises(ValueError, match="NaN"):
        ctx.progress(float("nan"))


@pytest.mark.parametrize(("reason", "signal"), [(Reason.STOPPED, Stopped), (Reason.TIMEOUT, TimedOut)])
def test_a_stop_arrives_with_the_next_progress(reason, signal):
    told = Told()
    ctx = Context(CLAIM, told)
    ctx.check_stop()

    told.reason = reason

    assert ctx.stop_requested
    with pytest.raises(signal):
        ctx.progress(1)
    with pytest.raises(signal):
        ctx.check_stop()
    assert not issubclass(signal, Exception)


def test_a_checkpoint_is_a_copy_and_must_be_json():
    told, data = Told(), {"done": [1]}
    ctx = Context(CLAIM, told)

    ctx.checkpoint(data)
    data["done"].append(2)

    assert told.checkpoints == [{"done": [1]}] and ctx.checkpoint_data == {"done": [1]}
    loop = []
    loop.append(loop)
    for wrong in (object(), float("nan"), {1: {2}}, loop):
        with pytest.raises(NotStorable, match="checkpoint"):
            ctx.checkpoint(wrong)


def test_lines_of_the_logger_are_kept_and_passed_on_with_fields(caplog):
    told = Told()
    ctx = Context(CLAIM, told)

    with caplog.at_level(logging.INFO, logger="taskserver.task"):
        ctx.logger.info("customer %d", 4711)
        ctx.logger.debug("not this")
        ctx.logger.warning("odd %s %s", "one")  # noqa: PLE1206

    assert told.lines[0] == ("log", "customer 4711")
    assert told.lines[1][1].startswith("WARNING 'odd")
    assert (caplog.records[0].run_id, caplog.records[0].job_id, caplog.records[0].task) == (7, 4711, "work")


def test_progress_in_a_tight_loop_costs_little():
    class Silent(Told):
        def report(self, progress, detail): ...

    ctx = Context(CLAIM, Silent())

    before = time.process_time()
    for number in range(100_000):
        ctx.progress(number % 100, "x")

    assert time.process_time() - before < 1


def test_the_sample_stops_and_goes_on_where_it_was():
    told = Told()
    ctx = Context(CLAIM, told)
    told.reason = Reason.STOPPED
    ctx._checkpoint = {"counted": 41}

    with pytest.raises(Stopped):
        sample(ctx, seconds=0)
    assert told.checkpoints == [{"counted": 42}]
    told.reason = None

    assert sample(ctx, seconds=0) == "counted to 100"
    assert (43, None) in told.reports and (42, None) not in told.reports[2:]
