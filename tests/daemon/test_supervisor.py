"""Real signals to a real daemon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from waiting import eventually

from taskserver.daemon.pidfile import State


def test_alarm_and_usr1_wake_the_service(daemon):
    daemon.start()

    for number in (signal.SIGALRM, signal.SIGUSR1):
        os.kill(daemon.pid, number)
        eventually(lambda: "wake" in daemon.events())
        (daemon.folder / "events").unlink()


def test_usr2_writes_what_the_threads_do_into_the_log(daemon):
    daemon.start()

    os.kill(daemon.pid, signal.SIGUSR2)

    eventually(lambda: "what the threads do" in daemon.log())
    assert "supervisor.py" in daemon.log()


def test_a_stop_drains_and_ends_with_zero(daemon):
    daemon.configure(mode="busy", drain_timeout=7)
    process = daemon.spawn("run")
    eventually(lambda: daemon.state is State.RUNNING and daemon.events() == ["start"])
    eventually(daemon.status)

    process.terminate()
    eventually(lambda: "drain 7" in daemon.events())
    assert process.poll() is None
    daemon.release()

    assert process.wait(10) == 0
    process.communicate()
    assert daemon.state is State.STOPPED
    assert not (daemon.users_dir / "control.sock").exists()


def test_a_second_signal_ends_at_once(daemon):
    daemon.configure(mode="busy")
    process = daemon.spawn("run")
    eventually(lambda: daemon.state is State.RUNNING and daemon.status())
    process.send_signal(signal.SIGINT)
    eventually(lambda: "drain 30" in daemon.events())

    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0
    process.communicate()
    assert daemon.events()[-1] == "abandon"


def test_a_service_that_breaks_gives_its_exit_code(daemon):
    daemon.configure(mode="breaks")
    process = daemon.spawn("run")
    eventually(daemon.status)

    daemon.release()

    assert process.wait(10) == 154
    assert "the database is too old" in process.communicate()[1]


def test_a_reload_applies_the_settings_and_names_what_needs_a_restart(daemon):
    daemon.start()
    daemon.configure(max_parallel=9, mode="busy")

    os.kill(daemon.pid, signal.SIGHUP)

    reloaded = eventually(lambda: (found := daemon.status()["reload"])["count"] and found)
    assert reloaded == {"count": 1, "faults": [], "restart": ["mode"]}
    assert "reload 9" in daemon.events()


def test_a_reload_with_a_broken_configuration_keeps_the_old_one(daemon):
    daemon.start()
    (daemon.folder / "settings.json").write_text("{")

    os.kill(daemon.pid, signal.SIGHUP)

    reloaded = eventually(lambda: (found := daemon.status()["reload"])["count"] and found)
    assert reloaded["faults"] == ["settings.json: not JSON"]
    assert "the configuration stays as it was" in daemon.log()
    assert daemon.events() == ["start"]


def test_a_reload_opens_a_rotated_log_anew(daemon):
    daemon.start()
    log = daemon.users_dir / "taskserver.log"
    log.rename(log.with_suffix(".1"))

    os.kill(daemon.pid, signal.SIGHUP)

    eventually(log.exists)
    os.kill(daemon.pid, signal.SIGUSR2)
    eventually(lambda: "what the threads do" in daemon.log())
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_flood_of_wakes_neither_stops_the_daemon_nor_hides_a_stop(daemon):
    daemon.start()
    pid = daemon.pid

    for _ in range(5000):
        os.kill(pid, signal.SIGALRM)
    os.kill(pid, signal.SIGTERM)

    eventually(lambda: daemon.state is State.STOPPED)
    assert "drain 30" in daemon.events()


def test_upstart_finds_the_process_stopped_when_it_is_ready(daemon):
    process = daemon.spawn("run", "expect-stop")

    _, status = os.waitpid(process.pid, os.WUNTRACED)

    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    eventually(daemon.status)
    process.terminate()
    process.communicate(timeout=10)


def test_an_idle_daemon_uses_no_processor_time(daemon):
    daemon.start()
    used = _cpu_ticks(daemon.pid)

    time.sleep(0.5)  # the span that is measured

    assert _cpu_ticks(daemon.pid) - used <= 1


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_daemon_whose_pidfile_was_removed_ends(daemon):
    daemon.start()
    pid = daemon.pid

    (daemon.users_dir / "taskserver.pid").unlink()

    eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert "was removed or replaced" in daemon.log()
