"""What people do with jobs while the daemon runs, through the control program."""

from __future__ import annotations

import subprocess
import sys

import pytest
from scratch_server import is_alive
from waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def running(server):
    server.commands["linger"] = {"command": ["/bin/sh", "-c", 'echo $$ > "$1"; sleep 60 & wait', "x", "{mark}"]}
    server.configure(poll_interval=1)
    server.start()
    return server


def test_run_job_lets_the_daemon_run_it_and_tells_how_it_ended(running):
    running.control("autostart", "off")
    good, bad = running.add("quick", "word=hello"), running.add("fails")
    inactive = running.add("quick")
    running.rows.execute("UPDATE jobs SET active = FALSE, ready = NULL WHERE id = ?", inactive)
    entry = running.json("schedule", "add", "yearly", "quick", "--cron", "0 0 1 1 *")["id"]

    assert running.control(f"--run-job={good}", "start", code=0).stderr.count("hello") == 1
    assert "4711" in running.control(f"--run-job={bad}", "start", code=150).stderr
    running.control(f"--run-job={inactive}", "start", code=0)
    running.control(f"--run-job={entry}", "start", code=0)

    assert running.statuses() == ["finished", "failed", "finished", "finished"]
    running.control(f"--run-job={good}", "start", code=0)
    assert len(running.runs(good)) == 2


def test_run_job_without_a_daemon_runs_it_in_its_own_process(server):
    server.start()
    server.stop()
    good, bad, other = server.insert("quick", word="hello"), server.insert("fails"), server.insert("quick")

    server.control(f"--run-job={good}", "start", code=0)
    server.control(f"--run-job={bad}", "start", code=150)

    assert server.statuses() == ["finished", "failed", "waiting"]
    assert server.runs(other) == []
    server.control("status", code=3)
    assert not server.processes()


def test_kill_ends_a_command_with_all_its_children(running):
    mark = running.folder / "mark"
    job = running.add("linger", f"mark={mark}")
    child = int(eventually(lambda: mark.exists() and mark.read_text().strip()))
    sleeper = subprocess.run(
        ["pgrep", "-P", str(child)], capture_output=True, text=True, check=False
    ).stdout.split()

    running.control("job", "kill", str(job))

    assert running.wait(job) == ["stopped"]
    assert running.runs(job)[0]["reason"] == "killed"
    eventually(lambda: not is_alive(child) and not any(is_alive(int(pid)) for pid in sleeper))


def test_stop_and_start_by_hand_goes_on_where_it_was(running):
    job = running.add("sample", "seconds=8")
    eventually(lambda: (running.job(job)["progress"] or 0) >= 10)

    running.control("job", "stop", str(job))
    assert running.wait(job) == ["stopped"]
    running.control("job", "start", str(job))

    assert running.wait(job) == ["finished"]
    assert [run["status"] for run in running.runs(job)] == ["stopped", "finished"]
    assert "going on at" in running.control("job", "log", str(job)).stdout


def test_the_log_of_a_job_can_be_followed_while_it_runs(running):
    go_on = running.folder / "go on"
    job = running.add("talks", f"go_on={go_on}")
    following = running.spawn("job", "log", "-f", str(job))

    first = following.stdout.readline()
    assert first.strip() == "line 1"
    assert running.job(job)["status"] == "running", "the line came before the end"
    go_on.touch()
    rest = following.stdout.read()

    assert rest.split("\n")[:4] == [f"line {number}" for number in range(2, 6)]
    assert following.wait(timeout=10) == 0
    assert running.job(job)["status"] == "finished"


def test_explain_tells_why_a_job_does_not_run(running):
    running.control("client", "add", "acme")
    nobody = running.add("quick", "--client", "acme")
    later = running.add("quick", "--at", "2099-01-01T06:00")
    elsewhere = running.add("quick", "--node", "elsewhere")

    codes = {
        job: [finding["code"] for finding in running.json("job", "explain", str(job))] for job in (nobody, later)
    }
    assert codes[nobody] == ["no_login"]
    assert codes[later] == ["future"]
    assert "elsewhere" in running.control("job", "explain", str(elsewhere)).stdout
    assert "set-login" in running.control("job", "explain", str(nobody)).stdout
    assert running.statuses() == ["waiting"] * 3

    running.control("client", "set-login", "acme", "anna")
    assert running.wait(nobody) == ["finished"]
    assert running.runs(nobody)[0]["login"] == "anna"


def test_auto_start_off_outlasts_a_restart(running):
    running.control("autostart", "off")
    held, by_hand = running.add("quick"), running.add("quick")
    running.control("restart")

    running.control("job", "start", str(by_hand))
    assert running.wait(by_hand) == ["finished"]
    assert running.job(held)["status"] == "waiting"
    eventually(lambda: running.status()["waiting"] == 1)
    assert running.status()["autostart"] is False
    assert "autostart on" in running.control("job", "explain", str(held)).stdout

    running.control("autostart", "on")
    assert running.wait(held) == ["finished"]


def test_a_failing_job_is_tried_again_with_growing_delays(running):
    job = running.add("fails_at_first", "failures=2")

    assert running.wait(job) == ["finished"]

    runs = running.runs(job)
    assert [run["status"] for run in runs] == ["failed", "failed", "finished"]
    assert [run["attempt"] for run in runs] == [0, 1, 2]
    assert running.job(job)["result"] == "attempt 3"
    starts = running.rows.query(
        "SELECT (julianday(started_at) - julianday(lag(started_at) OVER (ORDER BY id))) * 86400 AS gap FROM runs"
    )
    first, second = (row["gap"] for row in starts if row["gap"] is not None)
    assert 0.3 < first < 1.5
    assert first < second < 3

    hopeless = running.add("fails_at_first", "failures=9", "--max-attempts", "2")
    assert running.wait(hopeless) == ["failed"]
    assert len(running.runs(hopeless)) == 2


def test_a_unique_key_queues_one_job_among_many_askers(running):
    running.control("autostart", "off")
    words = ("job", "add", "quick", "--unique-key", "invoices:2026-11", "--json")
    asking = [running.spawn(*words) for _ in range(4)]
    for process in asking:
        process.communicate(timeout=60)

    assert [process.returncode for process in asking] == [0] * 4
    assert len(running.statuses()) == 1
    running.control("autostart", "on")
    running.wait(1)
    ever = running.json("job", "add", "quick", "--unique-key", "invoices:2026-11", "--unique-for", "ever")
    assert (ever["created"], ever["id"]) == (False, 1)
    assert running.json("job", "add", "quick", "--unique-key", "invoices:2026-11")["created"] is True


HURRIED = """
import sys
import taskserver.dispatcher.loop as loop
loop.CHORE_SECONDS = 0.5  # instead of a minute
from taskserver.cli import main
sys.exit(main(["-c", sys.argv[1], "run"]))
"""


def test_finished_jobs_beyond_the_limit_leave_and_their_runs_stay(server):
    server.configure(keep_finished_count=3, max_parallel=1, poll_interval=0.2)
    server.start()
    server.stop()
    jobs = [server.insert("quick", word=str(number)) for number in range(10)]
    failed = server.insert("fails")

    with subprocess.Popen(
        [sys.executable, "-c", HURRIED, server.config_file], stderr=subprocess.DEVNULL
    ) as daemon:
        eventually(lambda: server.statuses() == ["finished"] * 3 + ["failed"])
        daemon.terminate()

    assert daemon.returncode == 0
    assert [row["id"] for row in server.rows.query("SELECT id FROM jobs ORDER BY id")] == [*jobs[-3:], failed]
    assert all(len(server.runs(job)) == 1 for job in jobs)
    shown = server.json("job", "show", str(jobs[0]))
    assert (shown["gone"], shown["status"], shown["result"]) == (True, "finished", "0")
    server.control("job", "wait", str(jobs[0]), code=0)


def test_max_parallel_of_a_task_holds_while_others_pass(server):
    server.add_command("one_at_a_time", "sleep 0.4", max_parallel=1)
    server.configure(max_parallel=4)
    server.start()
    limited = [server.insert("one_at_a_time") for _ in range(3)]
    quick = [server.insert("quick") for _ in range(3)]
    server.control("wake")

    at_once = "SELECT count(*) FROM jobs WHERE task = 'one_at_a_time' AND status = 'running'"
    seen = set()

    def all_have_ended():
        seen.add(server.rows.value(at_once))
        return set(server.statuses()) == {"finished"}

    eventually(all_have_ended)
    assert seen == {0, 1}
    assert [server.job(job)["status"] for job in limited + quick] == ["finished"] * 6
    last_quick = max(server.job(job)["ended_at"] for job in quick)
    assert last_quick < server.job(limited[-1])["ended_at"]


def test_with_debug_the_log_tells_every_step_and_without_it_none(server):
    server.configure(debug=True)
    server.start()
    job = server.insert("quick")
    server.control("wake")
    server.wait(job)

    def told():
        lines = [line for line in server.log.splitlines() if " DEBUG " in line]
        wanted = ("woken", f"job {job} is claimed as run", f"of job {job} is recorded as finished", "claims 1")
        return all(any(word in line for line in lines) for word in wanted)

    eventually(told)
    server.configure(debug=False)
    server.control("reload")
    size = len(server.log)
    server.wait(server.insert("quick"))
    assert " DEBUG " not in server.log[size:]
