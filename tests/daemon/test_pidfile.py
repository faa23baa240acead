"""What the pidfile proves, and what it is not fooled by."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from taskserver.daemon import pidfile, process
from taskserver.daemon.pidfile import AlreadyRunning, PidFile, PidFileRefused, Record, State


def a_sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


def a_record_of(pid: int) -> str:
    facts = {"kernel-boot-id": process.kernel_boot_id(), "start-ticks": str(process.start_ticks(pid))}
    return Record(pid, facts).to_text()


def test_while_it_is_held_it_names_a_running_daemon(tmp_path):
    with PidFile(tmp_path, facts={"drain": "12.5", "node": "a b\nc"}) as lock:
        reading = pidfile.read(tmp_path)

        assert reading.state is State.RUNNING
        assert reading.record.pid == os.getpid()
        assert reading.record.drain_seconds == 12.5
        assert reading.record.facts["node"] == "a b c"
        assert reading.record.since.endswith("Z")
        assert lock.path.stat().st_mode & 0o777 == 0o640

    assert pidfile.read(tmp_path).state is State.STOPPED
    assert not lock.path.exists()


def test_facts_can_be_added_later(tmp_path):
    with PidFile(tmp_path) as lock:
        lock.note(state=pidfile.READY, boot_id="b7")

        record = pidfile.read(tmp_path).record

    assert (record.state, record.facts["boot-id"]) == (pidfile.READY, "b7")


def test_a_file_without_a_lock_is_dead_whatever_it_names(tmp_path):
    with a_sleeper() as innocent:
        (tmp_path / pidfile.NAME).write_text(a_record_of(innocent.pid))

        assert pidfile.read(tmp_path).state is State.DEAD

        innocent.kill()


@pytest.mark.parametrize("contents", ["", "rubbish", "-1\n", "99999999999\n", "4711\n", "\x00\xff"])
def test_rubbish_is_dead_too(tmp_path, contents):
    (tmp_path / pidfile.NAME).write_text(contents)

    assert pidfile.read(tmp_path).state is State.DEAD


def test_a_locked_file_that_names_a_reused_pid_is_no_daemon(tmp_path, monkeypatch):
    monkeypatch.setattr(pidfile, "_SETTLE_SECONDS", 0.05)
    path = tmp_path / pidfile.NAME
    record = a_record_of(os.getpid()).replace("start-ticks ", "start-ticks 1")
    path.write_text(record)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        reading = pidfile.read(tmp_path)

    assert reading.state is State.UNKNOWN
    assert "another process" in reading.reason


def test_a_pidfile_of_another_boot_is_no_daemon():
    facts = {"kernel-boot-id": "another", "start-ticks": str(process.start_ticks(os.getpid()))}

    assert not Record(os.getpid(), facts).is_alive()


def test_a_stale_file_is_taken_over(tmp_path):
    (tmp_path / pidfile.NAME).write_text("1\nkernel-boot-id x\n" + "long " * 200)

    with PidFile(tmp_path):
        record = pidfile.read(tmp_path).record

    assert record.pid == os.getpid()


def test_two_cannot_hold_it(tmp_path):
    with PidFile(tmp_path), pytest.raises(AlreadyRunning, match=str(os.getpid())), PidFile(tmp_path):
        pass


def test_a_reader_does_not_keep_a_daemon_from_starting(tmp_path):
    path = tmp_path / pidfile.NAME
    path.write_text("1\n")
    reading = "import fcntl, sys, time; fcntl.flock(sys.stdin, fcntl.LOCK_SH); print(flush=True); time.sleep(0.2)"
    with path.open() as file:
        reader = subprocess.Popen([sys.executable, "-c", reading], stdin=file, stdout=subprocess.PIPE)
    reader.stdout.readline()

    with PidFile(tmp_path):
        assert pidfile.read(tmp_path).state is State.RUNNING

    reader.communicate()


def test_children_do_not_inherit_the_lock(tmp_path):
    lock = PidFile(tmp_path)
    lock.__enter__()
    with a_sleeper() as child:
        lock.__exit__()

        with PidFile(tmp_path):
            assert pidfile.read(tmp_path).state is State.RUNNING

        child.kill()


def a_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    path.symlink_to(target)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_hard_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    path.hardlink_to(target)


@pytest.mark.parametrize("plant", [a_link, a_dangling_link, a_hard_link, os.mkfifo, Path.mkdir])
def test_whatever_is_planted_in_its_place_is_refused_and_left_alone(tmp_path, plant):
    plant(tmp_path / pidfile.NAME)

    reading = pidfile.read(tmp_path)
    with pytest.raises(PidFileRefused) as refused, PidFile(tmp_path):
        pass

    assert reading.state is State.UNKNOWN
    assert str(tmp_path / pidfile.NAME) in refused.value.message()
    assert not (tmp_path / "target").exists() or (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_removing_a_stale_file_spares_a_live_one(tmp_path):
    with PidFile(tmp_path) as lock:
        assert not pidfile.remove_stale(tmp_path)
        assert lock.path.exists()

    lock.path.write_text("1\n")
    assert pidfile.remove_stale(tmp_path)
    assert not lock.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of somebody else")
def test_a_file_of_another_user_is_not_believed(tmp_path):
    path = tmp_path / pidfile.NAME
    path.write_text(a_record_of(os.getpid()))
    os.chown(path, 65534, 65534)

    assert pidfile.read(tmp_path).state is State.UNKNOWN


def test_a_process_name_with_brackets_does_not_confuse_the_start_time(tmp_path):
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as sleeper:
        ticks = process.start_ticks(sleeper.pid)
        sleeper.kill()

    assert ticks is not None
    assert ticks >= process.start_ticks(os.getpid())


def test_on_a_full_disk_it_is_named_and_not_left_empty(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file can be written to
    try:
        with pytest.raises(PidFileRefused) as caught, PidFile(tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert str(tmp_path / "taskserver.pid") in caught.value.message()
    assert not list(tmp_path.iterdir())
    assert pidfile.read(tmp_path).state is State.STOPPED
