"""What a service manager hears from a real daemon: the datagrams of sd_notify(3)."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import pytest


class Listening:
    """The manager's socket, and what has come through it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def until(self, wanted: str, *, seconds: float = 20.0) -> str:
        """The next message that holds `wanted`; everything before it is in `heard`."""
        deadline = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"{wanted!r} was not heard; {self.heard}") from None
            self.heard.append(message)
            if wanted in message:
                return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    manager = Listening(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def run(daemon, manager):
    """Runs the daemon under the manager; it has ended when the test has."""
    started = []

    def spawn(watchdog: float = 0):
        watch = {"WATCHDOG_USEC": str(int(watchdog * 1e6))} if watchdog else {}
        started.append(daemon.spawn("run", env={"NOTIFY_SOCKET": str(manager.path), **watch}))
        return started[-1]

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


def test_it_is_told_of_ready_reload_and_stop(daemon, run, manager):
    process = run()

    assert f"MAINPID={process.pid}" in manager.until("READY=1")
    process.send_signal(signal.SIGHUP)
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", manager.until("RELOADING=1"))
    manager.until("READY=1")
    process.terminate()
    assert "STATUS=draining: 1 job still runs" in manager.until("STOPPING=1")
    assert process.wait(10) == 0


def test_the_status_tells_how_busy_it_is(run, manager):
    run()

    assert manager.until("STATUS=") == "STATUS=1 of 2 slots busy, 3 jobs waiting"


def test_a_status_that_changes_all_the_time_is_told_again_and_again(daemon, run, manager):
    daemon.configure(mode="restless")
    run()

    told = [int(re.findall(r"\d+", manager.until("STATUS="))[-1]) for _ in range(3)]

    assert told == sorted(set(told))
    assert told[2] - told[1] > 20  # it changed a thousand times meanwhile


def test_the_watchdog_is_fed_while_the_service_beats(run, manager):
    run(watchdog=0.3)

    for _ in range(4):
        manager.until("WATCHDOG=1")


def test_a_service_that_has_stopped_beating_starves_the_watchdog(daemon, run, manager):
    daemon.configure(mode="stuck")
    process = run(watchdog=0.3)
    manager.until("READY=1")

    with pytest.raises(AssertionError, match="not heard"):
        while True:  # the first feeds may speak of the beat before it got stuck
            manager.until("WATCHDOG=1", seconds=1)

    assert sum("WATCHDOG=1" in message for message in manager.heard) <= 1
    process.send_signal(signal.SIGHUP)  # its main thread goes on, and answers
    manager.until("RELOADING=1")


def test_a_wait_for_the_database_asks_for_time_and_says_so(daemon, run, manager):
    daemon.configure(mode="waiting", database_wait=600)
    run()

    manager.until("EXTEND_TIMEOUT_USEC=30000000")
    if not any("STATUS=waiting" in message for message in manager.heard):
        manager.until("STATUS=waiting")
    assert "STATUS=waiting for the database" in manager.heard
    daemon.release()
    manager.until("READY=1")


def test_a_drain_asks_for_time(daemon, run, manager):
    daemon.configure(mode="busy")
    process = run()
    manager.until("READY=1")

    process.terminate()

    manager.until("EXTEND_TIMEOUT_USEC=30000000")
    daemon.release()
    assert process.wait(10) == 0
