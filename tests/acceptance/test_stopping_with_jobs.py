"""Stopping while jobs run: they get their time, then a request, then they are released; none is lost."""

from __future__ import annotations

import time

import pytest
from scratch_server import is_alive
from waiting import eventually

pytestmark = pytest.mark.slow


def test_a_stop_waits_for_jobs_that_end_in_time_and_begins_no_more(any_server):
    server = any_server
    server.configure(max_parallel=2)
    pid = server.start()
    running = [server.insert("patient", seconds=1.5) for _ in range(2)]
    eventually(lambda: all(server.is_running(job) for job in running))
    waiting = server.insert("quick")

    stopping = server.spawn("stop")
    eventually(lambda: server.status()["state"] == "draining")
    stopping.communicate(timeout=20)

    assert stopping.returncode == 0
    assert not is_alive(pid)
    assert [server.job(job)["status"] for job in running] == ["finished", "finished"]
    assert server.job(waiting)["status"] == "waiting"
    assert server.runs(waiting) == []


def test_after_the_drain_time_jobs_are_asked_to_stop_and_go_on_later(server):
    server.configure(drain_timeout=0.5)
    server.start()
    job = server.insert("sample", seconds=2)
    eventually(lambda: (server.job(job)["progress"] or 0) >= 20)

    began = time.monotonic()
    server.stop()

    assert time.monotonic() - began < 5
    row = server.job(job)
    assert (row["status"], row["attempt"], row["crashes"]) == ("waiting", 0, 0)
    server.start()
    assert server.wait(job) == ["finished"]
    assert "going on at" in server.control("job", "log", str(job)).stdout
    assert server.runs(job)[-1]["status"] == "finished"


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_a_longer_timeout_lets_jobs_end_that_the_drain_time_would_have_cut_off(server, verb):
    server.configure(drain_timeout=0.1)
    pid = server.start()
    job = server.insert("patient", seconds=1.5)
    eventually(lambda: server.is_running(job))

    ended = server.control(verb, "--timeout", "60")

    assert ended.returncode == 0
    assert not is_alive(pid)
    assert (server.job(job)["status"], len(server.runs(job))) == ("finished", 1)


@pytest.mark.parametrize("options", [("--timeout", "0.5"), ("--now",)])
def test_a_task_that_ignores_the_wish_is_released_and_runs_again(server, options):
    marks = server.folder / "marks"
    pid = server.start()
    job = server.insert("deaf", trace=str(marks))
    eventually(marks.exists)

    began = time.monotonic()
    server.stop(*options)

    assert time.monotonic() - began < 6
    assert not is_alive(pid)
    row = server.job(job)
    assert (row["status"], row["attempt"], row["crashes"], row["claim"]) == ("waiting", 0, 0, None)
    server.start()
    eventually(lambda: server.is_running(job) and marks.read_text() == "1\n1\n")
    server.stop("--now")


def test_a_command_is_ended_with_the_daemon_and_runs_again(server):
    server.commands["linger"] = {"command": ["/bin/sh", "-c", 'echo $$ >> "$1"; sleep 60', "x", "{marks}"]}
    server.configure(drain_timeout=0.2)
    marks = server.folder / "marks"
    server.start()
    job = server.insert("linger", marks=str(marks))
    child = int(eventually(lambda: marks.exists() and marks.read_text()))

    server.stop()

    assert not is_alive(child)
    row = server.job(job)
    assert (row["status"], row["attempt"], row["crashes"]) == ("waiting", 0, 0)
