"""One job that fails, hangs or floods its log disturbs no other."""

from __future__ import annotations

import time

from waiting import eventually

FLOOD = 'i=0; while [ $i -lt 30000 ]; do echo "line $i of very many, and more words"; i=$((i+1)); done; echo last'


def test_the_others_go_on(any_server):
    server = any_server
    server.commands["flood"] = {"command": ["/bin/sh", "-c", FLOOD], "output_limit": "64 KB"}
    server.commands["hang"] = {"command": ["/bin/sh", "-c", "trap '' TERM; sleep 60 & wait"], "timeout": 0.5}
    server.commands["hang"]["stop_grace"] = 0.5
    server.commands["crash"] = {"command": ["/bin/sh", "-c", "kill -SEGV $$"]}
    server.commands["missing"] = {"command": ["/no/such/program"]}
    server.configure(max_parallel=12)
    server.start()
    bad = {
        task: server.insert(task)
        for task in ("fails", "hangs", "hangs_hard", "floods", "flood", "hang", "crash", "missing")
    }
    eventually(lambda: server.is_running(bad["floods"]) or server.is_running(bad["hangs_hard"]))

    slowest = 0.0
    for _ in range(8):
        began = time.monotonic()
        job = server.insert("quick")
        server.control("wake")
        eventually(lambda job=job: server.job(job)["status"] == "finished")
        slowest = max(slowest, time.monotonic() - began)

    server.wait(*bad.values())
    ended = {task: server.job(job)["status"] for task, job in bad.items()}
    good = ("floods", "flood")
    assert ended == {task: "finished" if task in good else "failed" for task in bad}
    reasons = {task: server.runs(job)[0]["reason"] for task, job in bad.items() if task not in good}
    assert {task for task, reason in reasons.items() if reason == "timeout"} == {"hangs", "hangs_hard", "hang"}
    assert slowest < 3
    assert server.job(bad["flood"])["result"] == "last"
    assert "no such customer: 4711" in server.job(bad["fails"])["error"]
    assert "acceptance_tasks.py" in server.runs(bad["fails"])[0]["traceback"]
    for task in good:
        assert 1000 < output_size(server, bad[task]) < 2 << 20
    assert output_size(server, bad["flood"]) < 100_000
    assert server.control("status").returncode == 0


def output_size(server, job):
    (run,) = server.runs(job)
    return server.rows.value("SELECT sum(length(text)) FROM run_output WHERE run_id = ?", run["id"])


AWKWARD = ["\\ud800", "nul \\x00 inside", "\\x1b[31mred", "x" * 3_000_000]
"""With escapes, since not even a job's data could hold them as they are."""


def test_a_result_that_no_database_takes_poisons_no_other(any_server):
    server = any_server
    server.start()
    server.control("autostart", "off")
    jobs = [
        server.insert(job[0], **job[1]) for word in AWKWARD for job in (("quick", {}), ("awkward", {"word": word}))
    ]

    server.control("autostart", "on")

    assert server.wait(*jobs) == ["finished"] * len(jobs)
    assert server.control("status").returncode == 0
