"""Two daemons on one PostgreSQL database: they share the work, and one takes over what the other leaves behind."""

from __future__ import annotations

import signal

import pytest
from waiting import eventually


@pytest.fixture
def nodes(new_server, postgres_url):
    made = [new_server(postgres_url, node_id=name, lease=4, max_parallel=2) for name in ("one", "two")]
    made[0].rows.execute("CREATE TABLE effects (name text)")
    for server in made:
        server.start()
    return made


def test_they_share_the_work_and_run_nothing_twice(nodes):
    one, _ = nodes
    jobs = [one.insert("slow_effect", name=str(number), seconds=0.4) for number in range(12)]

    assert one.wait(*jobs) == ["finished"] * 12

    assert {run["node_id"] for job in jobs for run in one.runs(job)} == {"one", "two"}
    assert sum(len(one.runs(job)) for job in jobs) == 12
    names = [int(row["name"]) for row in one.rows.query("SELECT name FROM effects")]
    assert sorted(names) == list(range(12))


def test_the_jobs_of_a_dead_node_are_taken_over_when_its_lease_is_over(nodes):
    one, two = nodes
    jobs = [one.insert("slow_effect", name=str(number), seconds=2) for number in range(4)]
    eventually(lambda: all(one.is_running(job) for job in jobs))

    two.kill()

    assert one.wait(*jobs, within=30) == ["finished"] * 4
    lost = [job for job in jobs if len(one.runs(job)) == 2]
    assert len(lost) == 2
    assert all([run["status"] for run in one.runs(job)] == ["lost", "finished"] for job in lost)
    assert {run["node_id"] for job in lost for run in one.runs(job)[1:]} == {"one"}
    assert len(one.rows.query("SELECT name FROM effects")) == 4


def test_a_frozen_node_cannot_record_what_another_has_taken_over(nodes):
    """It wakes up in the middle of its work, long after it was given up."""
    one, two = nodes
    one.control("stop")
    job = two.insert("slow_effect", name="once", seconds=1)
    eventually(lambda: two.is_running(job))
    two.kill(signal.SIGSTOP)
    one.start()
    eventually(lambda: one.job(job)["status"] == "finished", seconds=20)

    two.kill(signal.SIGCONT)
    eventually(lambda: "lost" in two.log)

    assert [run["status"] for run in one.runs(job)] == ["lost", "finished"]
    assert one.rows.query("SELECT name FROM effects") == [{"name": "once"}]
    later = two.insert("quick")
    assert two.wait(later) == ["finished"]
