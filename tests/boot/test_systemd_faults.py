"""What a real systemd does when the task server hangs, dies, or takes too much."""

from __future__ import annotations

import pytest
from cgroups import controllers
from installation import PLACE

pytestmark = pytest.mark.slow

QUICK = ("[Service]", "RestartSec=100ms", "TimeoutAbortSec=5")
WATCHED = (*QUICK, "WatchdogSec=2")

HOLD_THE_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
time.sleep(5)
"""


def traces(service, file):
    return service.machine.output("cat", file).splitlines()


def test_a_stopped_daemon_is_killed_by_the_watchdog_and_restarted(service):
    service.drop_in(*WATCHED)
    service.start()
    pid = service.pid

    service.machine.run("kill", "-STOP", pid)

    service.until(NRestarts="1", ActiveState="active")
    assert "Watchdog timeout" in service.journal
    assert service.pid != pid


def test_a_daemon_whose_dispatcher_hangs_is_restarted_though_its_main_thread_goes_on(service):
    service.drop_in(*WATCHED)
    service.configure(modules=["boot_tasks", "hanging_tasks"])
    service.start()
    # The dispatcher warns of its memory at the next heartbeat; that warning hangs in the application's handler.
    service.configure("[system]\nmemory_limit_rss = '1MB'", modules=["boot_tasks", "hanging_tasks"])

    service.control("reload")  # the main thread answers

    service.until(NRestarts="1")
    assert "Watchdog timeout" in service.journal
    assert "hanging_tasks.py" in service.journal  # the dump of the threads names what the dispatcher hung in


def test_a_busy_dispatcher_and_a_locked_database_are_left_alone(service):
    service.drop_in(*WATCHED)
    service.start()
    python, database = str(PLACE / ".venv/bin/python"), f"{service.users_dir}/taskserver.sqlite"
    for number in range(2):
        service.sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
            "INSERT INTO jobs (task, data) SELECT 'quick', json_object('word', ?) FROM n",
            str(number),
        )

    service.machine.run("runuser", "-u", "taskserver", "--", python, "-c", HOLD_THE_LOCK, database)

    finished = "SELECT count(*) AS n FROM jobs WHERE status = 'finished'"
    service.eventually(lambda: service.sql(finished) == [{"n": 200}], what="all are done")
    assert service.show("NRestarts") == "0"
    service.until(StatusText="0 of 2 slots busy, no jobs waiting")


def test_after_kill_9_it_is_restarted_and_its_running_jobs_run_again(service):
    service.drop_in(*QUICK)
    service.start()
    trace = f"{service.users_dir}/trace"
    jobs = [service.add("interrupted", trace=trace) for _ in range(2)]
    service.until(StatusText="2 of 2 slots busy, no jobs waiting")
    service.eventually(lambda: len(traces(service, trace)) == 2, what="both have begun")

    service.machine.run("kill", "-KILL", service.pid)

    service.until(NRestarts="1", ActiveState="active")
    rows = [service.await_job(job, "finished") for job in jobs]
    assert [(row["crashes"], row["result"]) for row in rows] == [(1, "the second time")] * 2
    assert len(traces(service, trace)) == 4


def test_a_configuration_that_crashes_it_reaches_the_start_limit(service):
    service.drop_in("[Unit]", "StartLimitBurst=3", *QUICK)
    service.configure(modules=["dying_tasks"])

    service.refuses_to_start()

    service.until(ActiveState="failed", NRestarts="3")
    assert "Start request repeated too quickly" in service.journal


@pytest.mark.parametrize(
    ("settings", "words", "code"),
    [
        ({"poll_interval": "often"}, "task_server.poll_interval", 6),
        ({"modules": ["no_such_module"]}, "no_such_module", 6),
        ({"run_as": "nobody-here"}, "nobody-here", 6),
        ({"run_as": "daemon"}, "daemon", 4),
    ],
)
def test_what_a_restart_does_not_mend_is_not_tried_again(service, settings, words, code):
    service.drop_in(*QUICK)
    service.configure(**settings)

    service.refuses_to_start()

    assert service.shows(ActiveState="failed", NRestarts="0", ExecMainStatus=str(code))
    assert words in service.journal
    assert "Traceback" not in service.journal


@pytest.fixture
def limited(service):
    if "memory" not in controllers():
        pytest.skip("this machine lets no guest limit memory: its cgroups have no memory controller to pass on")
    service.drop_in(*QUICK, "MemoryMax=160M", "MemorySwapMax=0")
    service.start()
    return service


def test_a_daemon_above_its_memory_limit_is_killed_and_restarted(limited):
    job_id = limited.add("devours", megabytes=400)

    limited.until(NRestarts="1", ActiveState="active")

    job = limited.await_job(job_id, "failed")
    assert job["crashes"] == 1
    assert "code=killed, status=9/KILL" in limited.journal


def test_a_command_above_the_memory_limit_is_killed_alone(limited):
    limited.configure(
        "[tasks.hungry]\ncommand = ['/usr/bin/python3', '-c', 'kept = bytearray(400 << 20)']\n",
        modules=["boot_tasks"],
    )
    limited.machine.run("systemctl", "reload", limited.unit)

    job = limited.await_job(limited.add("hungry"), "failed")

    assert "KILL" in job["error"]
    assert limited.shows(ActiveState="active", NRestarts="0")
