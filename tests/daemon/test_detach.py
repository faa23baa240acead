"""The daemon started for real: what `start` tells, and what the process is afterwards."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from waiting import eventually

from taskserver.daemon.pidfile import State


def test_start_returns_when_the_daemon_takes_work(daemon):
    done = daemon.start()

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"pid": daemon.pid, "fresh": True, "ready": True}
    assert daemon.status()["busy"] == 1


def test_the_daemon_is_detached_and_holds_nothing_of_its_caller(daemon, tmp_path):
    daemon.start()

    process = Path(f"/proc/{daemon.pid}")
    stat = (process / "stat").read_text().rpartition(")")[2].split()
    session, terminal = int(stat[3]), int(stat[4])
    assert session not in (daemon.pid, os.getsid(0))
    assert terminal == 0
    assert (process / "cwd").readlink() == tmp_path
    assert "Umask:\t0027" in (process / "status").read_text()

    def pipes() -> list[Path]:
        return [link for link in (process / "fd").iterdir() if "pipe:" in os.path.realpath(link)]

    eventually(lambda: not pipes(), what="it lets go of the pipe on which it has told that it is ready")


def test_a_second_start_finds_the_first(daemon):
    daemon.start()
    pid = daemon.pid

    again = daemon.start()

    assert again.returncode == 0
    assert json.loads(again.stdout) == {"pid": pid, "fresh": False, "ready": True}


def test_six_starts_at_once_give_one_daemon(daemon):
    starts = [daemon.spawn() for _ in range(6)]
    results = [(json.loads(start.communicate(timeout=30)[0] or "{}"), start.returncode) for start in starts]

    assert [code for _, code in results] == [0] * 6
    assert {answer["pid"] for answer, _ in results} == {daemon.pid}
    assert daemon.events().count("start") == 1


def test_a_start_meanwhile_waits_until_the_first_is_ready(daemon):
    daemon.configure(mode="waiting")
    first = daemon.spawn()
    eventually(lambda: daemon.events() == ["start"])
    second = daemon.spawn()

    daemon.release()

    for start in (first, second):
        out, _ = start.communicate(timeout=30)
        assert json.loads(out)["ready"] is True


def test_the_service_refuses_and_start_says_why(daemon):
    daemon.configure(mode="old-schema")

    done = daemon.start()

    assert done.returncode == 154
    assert "the database is too old" in done.stderr
    eventually(lambda: daemon.state is State.STOPPED, what="the end of the service")


def test_a_bug_at_the_start_is_told_and_its_traceback_logged(daemon):
    daemon.configure(mode="crash")

    done = daemon.start()

    assert done.returncode == 1
    assert "RuntimeError: a bug" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in daemon.log()


def test_a_daemon_that_dies_without_a_word_fails_the_start(daemon):
    daemon.configure(mode="vanish")

    done = daemon.start()

    assert done.returncode == 1
    assert "without a word" in done.stderr
    eventually(lambda: daemon.state is State.DEAD)


def test_start_goes_away_while_the_daemon_waits_for_its_database(daemon):
    daemon.configure(mode="waiting", database_wait=0.2)

    done = daemon.start()

    assert done.returncode == 0
    assert json.loads(done.stdout)["ready"] is False
    assert "the database is not there yet" in done.stderr
    assert daemon.state is State.RUNNING
    daemon.release()
    eventually(lambda: "ready, pid" in daemon.log())


def test_a_daemon_that_waits_for_its_database_can_be_stopped(daemon):
    daemon.configure(mode="waiting", database_wait=0.1)
    daemon.start()

    stopped = daemon.control("stop")

    assert stopped.returncode == 0
    assert daemon.state is State.STOPPED


def test_start_works_with_all_standard_streams_closed(daemon):
    process = daemon.spawn(
        stdout=None,
        stderr=None,
        preexec_fn=lambda: [os.close(number) for number in (0, 1, 2)],
    )

    assert process.wait(30) == 0
    assert daemon.state is State.RUNNING
    assert daemon.status() is not None


def test_twenty_starts_and_stops_in_a_row(daemon):
    for _ in range(20):
        assert daemon.start().returncode == 0
        os.kill(daemon.pid, signal.SIGTERM)
        eventually(lambda: daemon.state is State.STOPPED)


def test_after_a_kill_the_pidfile_is_stale_and_start_begins_anew(daemon):
    daemon.start()
    killed = daemon.pid
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: daemon.state is State.DEAD)

    again = daemon.start()

    assert again.returncode == 0
    assert daemon.pid != killed
    assert daemon.status() is not None
