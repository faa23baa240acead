"""What a command does and exits with when its stdout or stderr is closed, full, or read by nobody."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskserver.jobs import Outcome, OutputLine, Report

CALL = "import sys; from taskserver.cli import main; sys.exit(main())"
NOT_RUNNING = 3

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@pytest.fixture
def shell(empty_installation):
    """Calls the control program by a shell, with redirections."""

    def call(arguments: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
        command = shlex.join([sys.executable, "-c", CALL, "-c", str(empty_installation.config)])
        return subprocess.run(
            ["/bin/sh", "-c", f"{command} {arguments} {redirection}"],
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture
def unread(empty_installation):
    """Calls the control program with a pipe as stdout that nobody reads."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            return subprocess.run(
                [sys.executable, "-c", CALL, "-c", str(empty_installation.config), *arguments],
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                timeout=60,
                check=False,
            )
        finally:
            os.close(writing)

    return call


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("status", NOT_RUNNING), ("help", 0), ("version", 0), ("version --json", 0), ("job list", 0), ("--help", 0)],
)
def test_a_closed_stdout_leaves_a_command_its_exit_code(shell, task_server, arguments, code):
    result = shell(arguments, ">&-")

    assert "Traceback" not in result.stderr
    assert result.returncode == code


def test_a_job_is_queued_once_behind_a_closed_stdout(shell, task_server):
    result = shell("job add sample", ">&-")

    assert (result.returncode, result.stderr) == (0, "")
    assert len(task_server.ok("job", "list", "--json").json) == 1


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_stop_works_behind_closed_streams(shell, closed):
    assert shell("stop", closed).returncode == 0


def test_a_closed_stderr_sends_no_message_to_stdout(shell):
    result = shell("stop", "2>&-")

    assert result.stdout == ""


def test_no_other_file_gets_the_number_of_a_closed_stream(task_server):
    script = (
        "import os, sys; from taskserver.cli import main; main(sys.argv[1:]);"
        "print(*(os.readlink(f'/proc/self/fd/{number}') for number in range(3)),"
        "file=open(os.environ['SEEN'], 'w'))"
    )
    seen = task_server.folder / "seen"
    command = shlex.join([sys.executable, "-c", script, "-c", str(task_server.config), "job", "list"])

    subprocess.run(
        ["/bin/sh", "-c", f"{command} <&- >&- 2>&-"], env={**os.environ, "SEEN": str(seen)}, timeout=60, check=True
    )

    assert seen.read_text().split() == ["/dev/null"] * 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("status",), NOT_RUNNING), (("status", "--json"), NOT_RUNNING), (("help",), 0), (("--help",), 0)],
)
def test_a_reader_that_has_seen_enough_leaves_a_command_its_exit_code(unread, arguments, code):
    result = unread(*arguments)

    assert (result.returncode, result.stderr) == (code, "")


def test_a_reader_that_has_seen_enough_makes_no_fault_good(unread, empty_installation):
    empty_installation.config.write_text("[task_server]\nno_such_key = 1\n")

    assert unread("check", "--json").returncode == 6


def test_a_failed_job_has_failed_though_nobody_reads(unread, task_server, node):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.failed("no paper"))

    assert unread("job", "wait", "1", "--json").returncode == 150


def test_a_long_list_that_is_cut_is_no_error(shell, task_server):
    for number in range(40):
        task_server.ok("job", "add", "sample", "--title", f"{number} " + 300 * "x")

    result = shell("job list --json", "| head -n 1")

    assert (result.stdout, result.stderr) == ("[\n", "")


def test_following_a_log_ends_when_nobody_reads(unread, task_server, node):
    task_server.ok("job", "add", "sample")
    claim = node.claim()
    line = OutputLine(1, datetime(2026, 11, 22, 8, tzinfo=UTC), "stdout", "first")
    node.report(Report(claim.run_id, claim.job_id, lines=[line]))

    assert unread("job", "log", "--follow", "1").returncode == 0


@needs_full
@pytest.mark.parametrize("arguments", ["help", "version --json", "--help"])
def test_a_full_disk_behind_stdout_is_an_error_that_names_the_output(shell, arguments):
    result = shell(arguments, ">/dev/full")

    assert result.returncode == 1
    assert result.stderr == (
        "task_server: the command succeeded, but the output can't be written: No space left on device\n"
    )


@needs_full
@pytest.mark.parametrize("arguments", ["status", "status --json"])
def test_status_tells_the_state_also_behind_a_full_disk(shell, arguments):
    result = shell(arguments, ">/dev/full")

    assert result.returncode == NOT_RUNNING
    assert result.stderr == "task_server: the output can't be written: No space left on device\n"


@needs_full
def test_a_job_that_was_queued_behind_a_full_disk_is_said_to_be(shell, task_server):
    result = shell("job add sample", ">/dev/full")

    assert result.returncode == 1
    assert "the command succeeded" in result.stderr
    assert len(task_server.ok("job", "list", "--json").json) == 1


@needs_full
@pytest.mark.parametrize(
    ("arguments", "code"), [("stop", 0), ("status", NOT_RUNNING), ("job show 4711", 153), ("job lst", 2), ("", 2)]
)
def test_a_full_disk_behind_stderr_leaves_a_command_its_exit_code(shell, task_server, arguments, code):
    assert shell(arguments, "2>/dev/full").returncode == code


@needs_full
def test_a_full_disk_behind_both_leaves_status_its_exit_code(shell):
    assert shell("status", ">/dev/full 2>&1").returncode == NOT_RUNNING
