"""The control socket, with clients of every kind at a real daemon."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from waiting import eventually

from taskserver.daemon import control
from taskserver.daemon.control import BURST, Allowance, ControlSocket, SocketRefused
from taskserver.daemon.pidfile import PidFile


@pytest.fixture
def connect(daemon):
    """Connections to the socket of a started daemon; closed at the end."""
    daemon.start()
    with contextlib.ExitStack() as stack:

        def connected() -> socket.socket:
            channel = stack.enter_context(socket.socket(socket.AF_UNIX))
            with control._reachable(daemon.users_dir / control.NAME) as path:
                channel.connect(path)
            channel.settimeout(10)
            return channel

        yield connected


def lines_from(channel: socket.socket, count: int) -> list[bytes]:
    with channel.makefile("rb") as lines:
        return [lines.readline() for _ in range(count)]


def test_it_answers_wake_and_status_on_one_connection(daemon, connect):
    channel = connect()

    channel.sendall(b"status\nwake\nstatus\r\n")

    first, woken, again = lines_from(channel, 3)
    assert json.loads(first)["waiting"] == 3
    assert woken == b"ok\n"
    assert json.loads(again)["pid"] == daemon.pid
    eventually(lambda: "wake" in daemon.events())


def test_it_belongs_to_the_user_and_the_group(daemon, connect):
    status = (daemon.users_dir / control.NAME).stat()

    assert stat.S_ISSOCK(status.st_mode)
    assert status.st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    "rubbish", [b"stop\n", b"\n", b"WAKE\n", b"\xff\x00\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 1_000_000]
)
def test_anything_else_is_answered_with_an_error_and_the_end(daemon, connect, rubbish):
    channel = connect()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.sendall(rubbish)

    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := channel.recv(4096):
            answer += piece

    assert answer == b"" or answer.startswith(b"error ")
    assert daemon.status() is not None


def test_a_client_that_asks_without_reading_blocks_nobody(daemon, connect):
    greedy = connect()
    greedy.setblocking(False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        while True:
            greedy.send(b"status\n" * 1000)

    assert daemon.status() is not None


def test_silent_connections_make_room_for_new_ones(daemon, connect):
    silent = [connect() for _ in range(control.MAX_CLIENTS + 8)]

    assert daemon.status() is not None
    assert silent[0].recv(1) == b""


def test_a_line_may_come_in_pieces(daemon, connect):
    channel = connect()

    for letter in b"wake\n":
        channel.send(bytes([letter]))

    assert lines_from(channel, 1) == [b"ok\n"]


def test_a_flood_of_requests_is_answered_at_a_bounded_rate(daemon, connect):
    flood = connect()
    stop = threading.Event()

    def ask_on() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                flood.sendall(b"wake\n" * 100)
                flood.recv(65536)

    thread = threading.Thread(target=ask_on)
    used, begun = _cpu_seconds(daemon.pid), time.monotonic()
    thread.start()
    asked = [daemon.status() is not None for _ in range(5)]
    time.sleep(0.5)  # the span that is measured
    spent = (_cpu_seconds(daemon.pid) - used) / (time.monotonic() - begun)
    wakes = daemon.events().count("wake")
    stop.set()
    thread.join(10)

    assert all(asked)
    assert wakes < 4000
    assert spent < 0.9


def test_the_path_may_be_longer_than_a_socket_address(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with PidFile(deep) as lock, contextlib.closing(a_socket(lock)) as served:
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(control.ask_status(deep, timeout=5)))
        asking.start()
        eventually(lambda: served.serve() or answers)
        asking.join()

    assert answers == [{"state": "running"}]


def a_socket(lock: PidFile) -> ControlSocket:
    return ControlSocket(lock, wake=lambda: None, status=lambda: {"state": "running"})


def test_a_stale_socket_is_replaced_and_anything_else_is_not(tmp_path):
    with PidFile(tmp_path) as lock:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(tmp_path / control.NAME))
        a_socket(lock).close()

        (tmp_path / control.NAME).write_text("precious")
        with pytest.raises(SocketRefused, match=r"control\.sock"):
            a_socket(lock)

    assert (tmp_path / control.NAME).read_text() == "precious"


def test_without_the_pidfile_no_socket_is_touched(tmp_path):
    with pytest.raises(SocketRefused):
        a_socket(PidFile(tmp_path))


def test_clients_give_up_on_a_daemon_that_does_not_answer(tmp_path):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / control.NAME))
        mute.listen()
        begun = time.monotonic()

        assert control.ask_status(tmp_path, timeout=0.1) is None
        assert not control.wake(tmp_path / control.NAME, timeout=0.1)
        assert time.monotonic() - begun < 2

    assert control.ask_status(tmp_path, timeout=0.1) is None
    assert control.ask_status(Path("/nowhere"), timeout=0.1) is None


def test_the_allowance_grows_with_time():
    now = [0.0]
    allowance = Allowance(lambda: now[0])

    assert sum(allowance.take() for _ in range(BURST + 50)) == BURST
    now[0] += 0.01
    assert sum(allowance.take() for _ in range(BURST)) == control.REQUESTS_PER_SECOND // 100


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
