"""Whoever may connect to the control socket can ask, and nothing more: work and memory of the daemon stay."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import eventually

from taskserver.daemon.control import MAX_CLIENTS

FLOODS = {
    "wakes": "while True: channel.sendall(b'wake\\n' * 500)",
    "status, never read": "while True: channel.sendall(b'status\\n' * 500)",
    "one endless line": "while True: channel.sendall(b'x' * 65536)",
    "connections": "channels = []\n    while True: channels = [*channels[-99:], connect()]",
}
FLOOD = """
import socket, sys
def connect():
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(5)
    channel.connect(sys.argv[1])
    return channel
print(flush=True)
while True:
  try:
    channel = connect()
    {body}
  except OSError:
    pass
"""
GROWTH_BYTES = 32 * 1024 * 1024


@pytest.fixture
def flood(server):
    """Starts processes that ask without end, and ends them."""
    running = []
    with contextlib.ExitStack() as stack:

        def start(body, processes=3):
            command = [sys.executable, "-c", FLOOD.format(body=body), str(server.users_dir / "control.sock")]
            for _ in range(processes):
                process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
                stack.callback(process.kill)
                process.stdout.readline()
                running.append(process)

        yield start
        assert running
        assert all(process.poll() is None for process in running), "they have asked all the time"


def open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.parametrize("body", FLOODS)
def test_jobs_run_and_memory_stays_while_others_flood_the_socket(server, flood, body):
    pid = server.start()
    server.wait(server.insert("quick"))
    memory, files = resident_bytes(pid), open_files(pid)

    flood(FLOODS[body])
    jobs = [server.insert("quick") for _ in range(40)]

    assert server.wait(*jobs, within=60) == ["finished"] * 40
    assert resident_bytes(pid) < memory + GROWTH_BYTES
    assert open_files(pid) <= files + MAX_CLIENTS + 8
    server.control("stop")


def test_half_open_connections_make_room_and_are_gone_afterwards(server):
    pid = server.start()
    files = open_files(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(3 * MAX_CLIENTS):
            channel = stack.enter_context(socket.socket(socket.AF_UNIX))
            channel.connect(str(server.users_dir / "control.sock"))
            channel.sendall(b"sta")
        assert server.status()["answering"]
        assert open_files(pid) <= files + MAX_CLIENTS + 8

    eventually(lambda: open_files(pid) <= files + 2)
    assert server.wait(server.insert("quick")) == ["finished"]


def test_a_daemon_that_may_open_no_further_file_lives_on(server):
    """Its clients take the last descriptors; when they have gone, all is well again."""
    pid = server.start()
    job = server.insert("quick")
    server.wait(job)
    limit = open_files(pid) + 4
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={limit}"], check=True)
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            channel = stack.enter_context(socket.socket(socket.AF_UNIX))
            channel.connect(str(server.users_dir / "control.sock"))
        assert open_files(pid) <= limit

    eventually(lambda: server.json("status", code=0)["answering"])
    assert server.wait(server.insert("quick")) == ["finished"]
    assert server.pid == pid
