"""What the node's log hears of runs: fields with every line, no secrets, and no flood that hurts others."""

from __future__ import annotations

import gc
import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from taskserver.daemon.logs import formats
from taskserver.daemon.logs.file import FileHandler
from taskserver.log_fields import fields_of
from taskserver.tasks import Fail, Retry

SECRETS = {"customer": "4711", "password": "hunter22", "smtp": {"token": "tok-12345"}}

AGAIN = Retry("no answer", after=timedelta(seconds=60))
FLAT_SECRETS = {"password": "hunter22", "token": "tok-12345"}


@pytest.fixture
def node_log(tmp_path):
    """The log of the node, as the daemon has it."""
    handler = FileHandler(tmp_path / "node.log", formats.text)
    logging.getLogger().addHandler(handler)
    logging.getLogger("taskserver").setLevel(logging.INFO)
    yield handler
    logging.getLogger().removeHandler(handler)
    logging.getLogger("taskserver").setLevel(logging.NOTSET)
    handler.close()


@contextmanager
def alone(handler: FileHandler):
    """Without pytest's own handlers, which keep every line, and whose lock a killed thread may keep.

    And without the collector of garbage: a finalizer in which a kill arrives swallows it.
    """
    root = logging.getLogger()
    others, root.handlers = root.handlers, [handler]
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        root.handlers = others


@pytest.fixture
def heard():
    """What is logged of runs, as (level, text, fields)."""
    heard = []

    class Ear(logging.Handler):
        def emit(self, record):
            about = fields_of(record)
            heard.append((record.levelname, record.getMessage(), about.named() if about else {}))

    ear, logger = Ear(), logging.getLogger("taskserver.executors")
    logger.setLevel(logging.INFO)
    logger.addHandler(ear)
    yield heard
    logger.removeHandler(ear)
    logger.setLevel(logging.NOTSET)


def lines(handler: FileHandler) -> list[str]:
    return handler.path.read_text().splitlines()


@pytest.mark.parametrize(
    ("raised", "level", "text"),
    [
        (None, "INFO", "finished after 0.0 s"),
        (Fail("no such customer"), "ERROR", "failed (error) after 0.0 s: no such customer"),
        (
            Retry("no answer", after=timedelta(seconds=60)),
            "WARNING",
            "failed (error) after 0.0 s, again in 60 s: no answer",
        ),
    ],
)
def test_each_run_is_told_twice_with_its_fields(bench, heard, raised, level, text):
    def work():
        if raised:
            raise raised

    bench.offer(work, max_attempts=3)

    claim = bench.submit()
    bench.done()

    run = f"run {claim.run_id} of job {claim.job_id}"
    fields = {"job": claim.job_id, "run": claim.run_id, "task": "work", "client": "acme"}
    assert heard == [("INFO", f"{run} begins: work", fields), (level, f"{run} {text}", fields)]


def test_a_job_without_a_task_here_is_told_with_its_fields(bench, heard):
    claim = bench.submit("missing")
    bench.done()

    assert [fields["job"] for _, _, fields in heard] == [claim.job_id] * 2


def test_what_a_library_logs_within_a_task_is_about_its_run(bench, node_log):
    def work(ctx):
        ctx.logger.info("by the task")
        logging.getLogger("library").warning("by a library")

    bench.offer(work)
    claim = bench.submit()
    bench.done()
    logging.getLogger("library").warning("outside")

    brackets = f"[job={claim.job_id} run={claim.run_id} task=work client=acme]"
    said = [line.partition(" ")[2] for line in lines(node_log)]
    assert f"INFO taskserver.task.work {brackets}: by the task" in said
    assert f"WARNING library {brackets}: by a library" in said
    assert said[-1] == "WARNING library: outside"


@pytest.mark.parametrize("kind", ["raises", "arguments", "logs", "command", "refused"])
def test_no_log_line_shows_a_secret_of_the_job(bench, node_log, kind):
    def work(ctx, customer: str, password: str, smtp: dict):
        if kind == "raises":
            raise ValueError(f"cannot log in with {password} and {smtp}")
        ctx.logger.warning("data: %s %s", password, smtp)
        logging.getLogger("library").error("with %r", {"password": password, **smtp})

    def other(customer: int, password: int, smtp: list): ...  # fmt: skip

    bench.offer(work, name="raises")
    bench.offer(work, name="logs")
    bench.offer(other, name="arguments")
    bench.offer_command("/bin/sh", "-c", "echo $0 $1 >&2; exit 3", "{password}", "{token}", name="command")
    bench.offer_command("/bin/missing", "{password}", "{token}", name="refused")

    bench.submit(kind, data=SECRETS if kind not in ("command", "refused") else FLAT_SECRETS)
    bench.done()

    shown = node_log.path.read_text()
    assert "hunter22" not in shown and "tok-12345" not in shown
    assert "***" in shown or kind == "refused"


def test_a_task_that_floods_is_killed_and_nobody_waits_for_its_log(bench, node_log, monkeypatch):
    """It is interrupted wherever it is, also while it holds the log or waits for it."""
    monkeypatch.setattr("taskserver.daemon.logs.flood.MOST_LINES", 10**9)
    began = threading.Semaphore(0)

    def work(ctx):
        began.release()
        while True:
            ctx.logger.info("x")

    bench.offer(work)
    with alone(node_log):
        for _ in range(25):
            claims = [bench.submit() for _ in range(4)]
            for _ in claims:
                assert began.acquire(timeout=10)
            for claim in claims:
                bench.pool.kill(claim.run_id)
            for _ in claims:
                bench.done()
        told = threading.Thread(target=logging.getLogger("taskserver").warning, args=("heard",), daemon=True)
        told.start()
        told.join(30)

    assert not told.is_alive(), "the log is held by a task that was killed"
    assert lines(node_log)[-1].endswith("heard")


def test_a_flood_of_one_job_takes_neither_memory_nor_the_log_from_the_others(bench, node_log):
    def flood(ctx):
        for number in range(100_000):
            ctx.logger.info("line %d %s", number, "x" * 100)

    bench.offer(flood, name="flood")
    bench.offer(lambda ctx: ctx.logger.info("of another job"), name="other")
    with alone(node_log):
        bench.run("other")
        before = _resident()

        bench.submit("flood")
        for _ in range(20):
            bench.submit("other")
        for _ in range(21):
            bench.done()
            bench.pool.reports()

    said = lines(node_log)
    assert len([line for line in said if "taskserver.task.flood" in line]) == 2001
    assert len([line for line in said if "of another job" in line]) == 21
    assert _resident() - before < 30 << 20


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
