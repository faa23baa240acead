"""Stopping from outside: only a proven daemon is signalled, and it ends in the end."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from waiting import eventually

from taskserver.daemon import pidfile, process, proof, stop_request, stopping
from taskserver.daemon.pidfile import PidFile, Record, State
from taskserver.daemon.proof import NotRunning, ProvenDaemon, Unproven
from taskserver.daemon.stopping import Progress


class Told(list):
    """A progress that remembers what was said."""

    def progress(self, every: float = 0.1) -> Progress:
        return Progress(say=self.append, tick=self.append, every=every)


@pytest.fixture
def told() -> Told:
    return Told()


def test_stop_waits_for_the_jobs_and_tells_of_them(daemon, told):
    daemon.configure(mode="busy")
    daemon.start()
    pid = daemon.pid
    progress = told.progress()

    def release_when_told(text: str) -> None:
        told.append(text)
        daemon.release()

    stopped = stopping.stop(daemon.users_dir, Progress(say=progress.say, tick=release_when_told, every=0.1))

    assert stopped == pid
    assert told[0].startswith("1 job still runs; ")
    assert daemon.events()[-1] == "drain 30"
    assert daemon.state is State.STOPPED


def test_the_time_to_drain_comes_from_the_pidfile(daemon, told):
    daemon.configure(mode="busy", drain_timeout=0.2)
    daemon.start()

    stopping.stop(daemon.users_dir, told.progress(), grace=0.3)

    assert daemon.events()[-2:] == ["drain 0.2", "abandon"]
    assert any("its time is up" in line for line in told)


def test_a_timeout_bounds_the_draining(daemon, told):
    daemon.configure(mode="busy")
    daemon.start()

    stopping.stop(daemon.users_dir, told.progress(), timeout=0.2)

    assert "abandon" in daemon.events()
    assert daemon.state is State.STOPPED


def test_a_timeout_may_be_longer_than_the_daemons_own_drain_time(daemon, told):
    daemon.configure(mode="busy", drain_timeout=0.2)
    daemon.start()

    def release_when_told(text: str) -> None:
        told.append(text)
        daemon.release()

    stopping.stop(daemon.users_dir, Progress(say=told.append, tick=release_when_told, every=0.5), timeout=90)

    assert daemon.events() == ["start", "drain 90"]
    assert told[0].startswith("1 job still runs; 89")
    assert not stop_request.lies(daemon.users_dir)


def test_a_longer_timeout_counts_also_when_the_draining_has_begun(daemon, told):
    daemon.configure(mode="busy", drain_timeout=30)
    daemon.start()
    os.kill(daemon.pid, signal.SIGTERM)
    eventually(lambda: "drain 30" in daemon.events())

    def release_when_told(_: str) -> None:
        daemon.release()

    stopping.stop(daemon.users_dir, Progress(say=told.append, tick=release_when_told, every=0.1), timeout=90)

    assert daemon.events() == ["start", "drain 30", "drain 90"]


def test_a_request_left_by_somebody_else_does_not_lengthen_the_draining(daemon, told):
    daemon.configure(mode="busy", drain_timeout=0.2)
    daemon.start()
    (daemon.users_dir / stop_request.NAME).write_text("1 1 1 90\n")

    stopping.stop(daemon.users_dir, told.progress(), grace=0.3)

    assert daemon.events()[1:] == ["drain 0.2", "abandon"]
    assert "taskserver.stop is ignored" in daemon.log()


def test_the_disk_is_not_needed_for_a_shorter_time(daemon, told):
    daemon.configure(mode="busy")
    daemon.start()
    (daemon.users_dir / stop_request.NAME).mkdir()

    stopping.stop(daemon.users_dir, told.progress(), timeout=0.2)

    assert "abandon" in daemon.events()


def test_now_does_not_drain(daemon, told):
    daemon.configure(mode="busy")
    daemon.start()

    stopping.stop(daemon.users_dir, told.progress(), now=True)

    assert "abandon" in daemon.events()
    assert told == []


def test_a_daemon_that_hangs_is_killed_and_this_is_said(daemon, told):
    daemon.configure(mode="stubborn")
    daemon.start()

    stopping.stop(daemon.users_dir, told.progress(), timeout=0.1, grace=0.5)

    assert "it does not end; it is killed (SIGKILL)" in told
    assert daemon.state is State.STOPPED


def test_a_frozen_daemon_is_killed_too(daemon, told):
    daemon.start()
    os.kill(daemon.pid, signal.SIGSTOP)

    stopping.stop(daemon.users_dir, told.progress(), timeout=0.1, grace=0.3)

    assert daemon.state is State.STOPPED


def test_without_a_daemon_there_is_nothing_to_stop(tmp_path, told):
    with pytest.raises(NotRunning):
        stopping.stop(tmp_path, told.progress())


def test_an_innocent_process_in_the_pidfile_is_left_alone(daemon):
    with subprocess.Popen(["sleep", "60"]) as innocent:
        facts = {
            "kernel-boot-id": process.kernel_boot_id(),
            "start-ticks": str(process.start_ticks(innocent.pid)),
        }
        (daemon.users_dir / pidfile.NAME).write_text(Record(innocent.pid, facts).to_text())

        status = daemon.control("status")
        stopped = daemon.control("stop")

        assert (status.returncode, stopped.returncode) == (1, 0)
        assert innocent.poll() is None
        assert daemon.control("status").returncode == 3
        innocent.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could signal another user's process")
def test_root_does_not_signal_a_process_that_another_user_has_named(tmp_path):
    users_dir = tmp_path / "users"
    users_dir.mkdir()
    with PidFile(users_dir) as lock:  # held by root's own process, in a folder that then belongs to another
        os.chown(users_dir, 65534, 65534)
        os.chown(lock.path, 65534, 65534)

        with pytest.raises(Unproven, match="belongs to user 65534"):
            ProvenDaemon.find(users_dir)


def test_what_is_signalled_is_what_was_proven_even_if_the_number_is_reused(daemon):
    daemon.start()
    found = ProvenDaemon.find(daemon.users_dir)
    os.kill(found.pid, signal.SIGKILL)
    eventually(lambda: found.ended(within=0))

    found.send(signal.SIGTERM)

    found.close()


def test_an_unknown_state_is_not_signalled(tmp_path):
    (tmp_path / pidfile.NAME).symlink_to("/proc/1/status")

    with pytest.raises(proof.Unproven, match="symbolic link"):
        ProvenDaemon.find(tmp_path)
