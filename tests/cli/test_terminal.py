"""What people see on a terminal: drawn tables, a progress bar, and a question before everything is deleted."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from taskserver.jobs import Outcome

CALL = "import sys; from taskserver.cli import main; sys.exit(main())"


@pytest.fixture
def on_terminal(task_server):
    """Calls the control program on a terminal of its own; returns the exit code and what it showed."""

    def call(*arguments: object, typed: str = "") -> tuple[int, str]:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", CALL, "-c", str(task_server.config), *map(str, arguments)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
            os.close(theirs)
            os.write(ours, typed.encode())
            shown = b"".join(iter(lambda: _read(ours), b"")).decode()
            code = process.wait(timeout=60)
        os.close(ours)
        return code, shown

    return call


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_table_is_drawn(task_server, on_terminal):
    task_server.ok("job", "add", "sample", "--title", "[red]not markup[/red]")

    code, shown = on_terminal("job", "list")

    assert code == 0
    assert "───" in shown
    assert "[red]not markup[/red]" in shown


def test_wait_shows_a_progress_bar(task_server, node, on_terminal):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.finished("12 invoices"))

    code, shown = on_terminal("job", "wait", 1)

    assert code == 0
    assert "━━━" in shown
    assert "job 1 finished: 12 invoices" in shown


def test_delete_all_asks_and_names_the_count(task_server, on_terminal):
    task_server.ok("job", "add", "sample")
    task_server.ok("job", "add", "sample")

    refused = on_terminal("job", "delete-all", typed="n\n")
    kept = len(task_server.ok("job", "list", "--json").json)
    deleted = on_terminal("job", "delete-all", typed="y\n")

    assert "Delete 2 jobs?" in refused[1]
    assert (refused[0], kept) == (1, 2)
    assert deleted[0] == 0
    assert "2 jobs deleted" in deleted[1]
