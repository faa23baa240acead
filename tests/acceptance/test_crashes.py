"""kill -9 in the middle of the work, then a start: nothing is lost, nothing runs twice, effects come once."""

from __future__ import annotations

import time

import pytest
from scratch_server import is_alive
from waiting import eventually

pytestmark = pytest.mark.slow

COUNTING_COMMAND = """
echo $$ >> "$1"
while :; do sleep 0.05; done
"""


def test_running_jobs_are_queued_again_and_no_command_has_a_second_copy(any_server):
    server = any_server
    marks = server.folder / "marks"
    server.commands["endless"] = {"command": ["/bin/sh", "-c", COUNTING_COMMAND, "endless", "{marks}"]}
    server.configure(max_parallel=8)
    server.start()
    jobs = [server.insert("patient"), server.insert("endless", marks=str(marks))]
    waiting = server.insert("quick")
    eventually(lambda: server.job(waiting)["status"] == "finished")
    eventually(lambda: all(server.is_running(job) for job in jobs) and marks.exists())

    server.kill()
    (first,) = pids_in(marks)
    assert eventually(lambda: not is_alive(first), seconds=5), "a command dies with its daemon"
    server.start()

    eventually(lambda: all(server.is_running(job) for job in jobs) and len(pids_in(marks)) == 2)
    assert [pid for pid in pids_in(marks) if is_alive(pid)] == pids_in(marks)[1:]
    for job in jobs:
        assert [(run["status"], run["reason"]) for run in server.runs(job)] == [("lost", "lost")]
        row = server.job(job)
        assert (row["attempt"], row["crashes"]) == (0, 1)
    assert len(server.runs(waiting)) == 1


def test_explain_knows_at_once_that_the_node_of_this_installation_was_killed(server):
    server.start()
    running = server.insert("patient")
    eventually(lambda: server.is_running(running))

    server.kill()
    waiting = server.insert("quick")

    def codes(job):
        return [finding["code"] for finding in server.json("job", "explain", str(job))]

    assert codes(running) == ["node_died"]
    assert "no_node" in codes(waiting)
    server.start()
    eventually(lambda: codes(running) == ["running"])


def test_a_job_that_kills_its_node_cannot_do_it_for_ever(server):
    server.start()
    job = server.insert("kills_its_node")

    for crashes in (1, 2, 3):
        eventually(lambda: server.control("status", code=None).returncode == 1)
        server.start()
        eventually(lambda crashes=crashes: server.job(job)["crashes"] == crashes)

    eventually(lambda: server.job(job)["status"] == "failed")
    server.control("status", code=0)
    assert [run["status"] for run in server.runs(job)] == ["lost"] * 3
    assert "died" in server.job(job)["error"]


def test_a_task_that_must_not_run_twice_fails_when_its_node_dies(server):
    server.start()
    job = server.insert("must_not_run_twice")
    eventually(lambda: server.control("status", code=None).returncode == 1)

    server.start()

    eventually(lambda: server.job(job)["status"] == "failed")
    assert [run["status"] for run in server.runs(job)] == ["lost"]


def test_twelve_jobs_survive_a_kill_and_their_effects_come_once(any_server):
    server = any_server
    server.start()
    jobs = [server.insert("slow_effect", name=f"job {number}", seconds=2) for number in range(12)]
    began = time.monotonic()
    eventually(lambda: server.statuses().count("finished") == 4 and server.statuses().count("running") == 4)
    worked = time.monotonic() - began

    server.kill()
    server.start()
    began = time.monotonic()
    eventually(lambda: server.statuses() == ["finished"] * 12, seconds=20)
    worked += time.monotonic() - began

    assert worked < 10, "twelve jobs of two seconds in four slots, and one round of them twice"
    names = [row["name"] for row in server.rows.query("SELECT name FROM effects")]
    assert sorted(names) == sorted(f"job {number}" for number in range(12))
    runs = server.rows.query("SELECT status, count(*) AS n FROM runs GROUP BY status")
    assert {run["status"]: run["n"] for run in runs} == {"finished": 12, "lost": 4}
    assert [server.job(job)["crashes"] for job in jobs].count(1) == 4
    assert server.rows.value("SELECT count(*) FROM jobs WHERE claim IS NOT NULL") == 0


def test_a_kill_inside_a_transaction_leaves_nothing_of_it(any_server):
    server = any_server
    server.start()
    job = server.insert("effect", name="once", seconds=1)
    eventually(lambda: server.is_running(job))

    server.kill()
    assert server.rows.query("SELECT name FROM effects") == []
    server.start()

    assert server.wait(job) == ["finished"]
    assert server.rows.query("SELECT name FROM effects") == [{"name": "once"}]
    assert [run["status"] for run in server.runs(job)] == ["lost", "finished"]


def test_a_killed_sample_goes_on_where_it_was(server):
    server.start()
    job = server.insert("sample", seconds=2)
    eventually(lambda: (server.job(job)["checkpoint"] or "").find("counted") > 0)

    server.kill()
    server.start()

    assert server.wait(job) == ["finished"]
    assert "going on at" in server.control("job", "log", str(job)).stdout


def pids_in(file):
    return [int(word) for word in file.read_text().split()] if file.exists() else []
