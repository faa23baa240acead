from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pool_bench import FAMILY_SIZE, is_alive, marked, sleepers
from waiting import eventually

PROGRAM = Path(__file__).with_name("pool_process.py")


@contextmanager
def a_daemon(mark: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a pool whose command and all its family run; and the pid of its launcher."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), mark], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        launcher = int(process.stdout.readline())
        eventually(lambda: len(sleepers(mark)) == FAMILY_SIZE)
        yield process, launcher
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_nothing_survives_a_daemon_that_is_killed(number):
    mark = f"{os.getpid()}-daemon-{number}"
    with a_daemon(mark) as (process, launcher):
        process.send_signal(number)
        process.wait(10)

        eventually(lambda: marked(mark) == [] and not is_alive(launcher))


def test_a_hint_to_the_launcher_alone_changes_nothing():
    """systemd sends SIGTERM to every process of the unit; commands go on until the daemon drains them."""
    mark = f"{os.getpid()}-hint"
    with a_daemon(mark) as (_, launcher):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(launcher, number)
            eventually(lambda: not has_pending_signals(launcher))

        assert is_alive(launcher) and len(sleepers(mark)) == FAMILY_SIZE


def has_pending_signals(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(line.startswith(("ShdPnd", "SigPnd")) and int(line.split()[1], 16) for line in lines)


def test_what_is_left_when_daemon_and_launcher_are_killed_at_once_goes_before_the_next_command(bench):
    mark = f"{os.getpid()}-both"
    with a_daemon(mark) as (process, launcher):
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(launcher, signal.SIGKILL)
        process.kill()
        process.wait(10)
    # The command itself is dead, since its launcher is; the rest of the family had no such parent. Nobody waits to
    # see it: another node that starts on this machine just now may sweep it away as well.

    bench.offer_command("/bin/true")
    bench.run()

    assert marked(mark) == []


def test_a_stopped_launcher_can_not_keep_a_family_alive(bench):
    mark = f"{os.getpid()}-frozen"
    with a_daemon(mark) as (process, launcher):
        os.kill(launcher, signal.SIGSTOP)
        process.kill()
        process.wait(10)
        os.kill(launcher, signal.SIGCONT)

        eventually(lambda: marked(mark) == [] and not is_alive(launcher))
