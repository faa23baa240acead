from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pool_bench import FAMILY, FAMILY_SIZE, is_alive, marked, sleepers
from waiting import eventually

from taskserver.executors.launcher import environment_of
from taskserver.executors.lines import Lines, last_line, split_progress
from taskserver.executors.storable import LINE_BYTES
from taskserver.jobs import Reason, RunStatus, Status


def sh(bench, body: str, *arguments: str, **settings):
    """Offers `sh -c body` as the task "work", with its arguments as $1, $2, ..."""
    bench.offer_command("/bin/sh", "-c", body.replace("{", "{{").replace("}", "}}"), "sh", *arguments, **settings)


def test_output_progress_and_result(bench, script):
    program = script(
        'echo one; echo two >&2; echo "PROGRESS 40 page 12"; echo three; echo "PROGRESS x"; printf last'
    )
    bench.offer_command(program)

    outcome = bench.run()

    assert (outcome.job_status, outcome.result) == (Status.FINISHED, "last")
    assert outcome.cpu_seconds is not None and outcome.max_rss > 100_000
    assert bench.texts("stdout") == ["one", "three", "PROGRESS x", "last"]
    assert bench.texts("stderr") == ["two"]
    assert [(r.progress, r.detail) for r in bench.reported][-1] == (40.0, "page 12")


def test_output_is_visible_while_the_command_runs(bench, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    sh(bench, 'echo started; echo "PROGRESS 10"; read line < "$1"; echo "$line"', "{fifo}")
    bench.submit(data={"fifo": str(fifo)})

    eventually(lambda: bench.texts("stdout") == ["started"])
    eventually(lambda: bench.lines() and any(report.progress == 10 for report in bench.reported))
    fifo.write_text("go on\n")

    assert bench.done().outcome.result == "go on"


def test_arguments_arrive_whole_and_the_environment_is_minimal(bench, monkeypatch):
    monkeypatch.setenv("SECRET", "of the daemon")
    sh(bench, 'printf "<%s>" "$@"; echo; env', "--", "{path}", "{n}", env={"PAGES": "{n}"})
    due_at = datetime(2026, 11, 22, 8, tzinfo=UTC)

    claim = bench.submit(data={"path": "a b;$(id)\n'ü", "n": 3}, due_at=due_at)

    assert bench.done().outcome.job_status is Status.FINISHED
    lines = bench.texts("stdout")
    assert lines[:2] == ["<--><a b;$(id)", "'ü><3>"]
    assert f"TASKSERVER_JOB_ID={claim.job_id}" in lines and f"TASKSERVER_RUN_ID={claim.run_id}" in lines
    assert {"TASKSERVER_CLIENT=acme", "TASKSERVER_LOGIN=clerk", "PAGES=3"} <= set(lines)
    assert "TASKSERVER_DUE_AT=2026-11-22T08:00:00Z" in lines
    assert not any("SECRET" in line or "PYTEST" in line for line in lines)


def test_a_wrong_argument_fails_for_good(bench):
    sh(bench, "true", "{path}", max_attempts=5)

    outcome = bench.run(data={"path": "-rf"})

    assert (outcome.job_status, outcome.reason) == (Status.FAILED, Reason.ARGUMENTS)


def test_exit_codes(bench):
    sh(bench, 'echo out; echo "bad page" >&2; exit "$1"', "{code}", success_exit_codes=(0, 4), max_attempts=2)

    assert bench.run(data={"code": 4}).result == "out"
    failed = bench.run(data={"code": 3})
    assert (failed.job_status, failed.error) == (Status.WAITING, "exit code 3: bad page")
    assert failed.reason is Reason.ERROR and failed.retry_in is not None


@pytest.mark.parametrize(
    ("command", "settings", "sentence"),
    [
        (("/no/such/program",), {}, "'/no/such/program' was not found"),
        (("no-such-program",), {}, "'no-such-program' was not found"),
        (("/etc/passwd",), {}, "may not be executed"),
        (("/bin/true",), {"cwd": Path("/no/such/folder")}, "'/no/such/folder' does not exist"),
        (("/bin/true",), {"cwd": Path("/etc/passwd")}, "'/etc/passwd' is not a folder"),
        (("/bin/echo", "{x}"), {"defaults": {"x": "y" * 3_000_000}}, "too long"),
    ],
)
def test_what_can_not_be_started_is_named(bench, command, settings, sentence):
    bench.offer_command(*command, max_attempts=2, **settings)

    outcome = bench.run()

    assert sentence in outcome.error
    assert (outcome.job_status, outcome.reason) == (Status.WAITING, Reason.ERROR)


def test_a_missing_interpreter_and_a_text_without_one_are_named(bench, tmp_path):
    for name, first_line in (("gone", "#!/no/such/interpreter\n"), ("text", "hello\n")):
        (tmp_path / name).write_text(first_line)
        (tmp_path / name).chmod(0o755)
        bench.offer_command(str(tmp_path / name), name=name)

    assert "interpreter in its first line was not found" in bench.run("gone").error
    assert "neither a binary nor a script" in bench.run("text").error


def test_a_working_directory_is_entered(bench, tmp_path):
    sh(bench, "pwd -P", cwd=tmp_path)

    assert bench.run().result == str(tmp_path.resolve())


@pytest.mark.parametrize(
    ("reason", "run_status", "job_status"),
    [
        (Reason.STOPPED, RunStatus.STOPPED, Status.STOPPED),
        (Reason.DRAINED, RunStatus.STOPPED, Status.WAITING),
        (Reason.TIMEOUT, RunStatus.FAILED, Status.FAILED),
        (Reason.LOST, RunStatus.STOPPED, Status.WAITING),
    ],
)
@pytest.mark.parametrize("trap", ["", "trap 'echo bye; exit 0' TERM;", "trap '' TERM;"])
def test_a_stop_ends_a_command_whether_it_obeys_or_not(bench, reason, run_status, job_status, trap):
    sh(bench, f"{trap} echo ready; while :; do sleep 0.05; done", stop_grace=timedelta(seconds=0.2))
    claim = bench.submit()
    eventually(lambda: bench.texts("stdout") == ["ready"])

    bench.pool.stop(claim.run_id, reason)

    outcome = bench.done().outcome
    assert (outcome.run_status, outcome.job_status, outcome.reason) == (run_status, job_status, reason)
    assert (bench.texts("stdout")[-1] == "bye") == ("bye" in trap and reason is not Reason.LOST)


def test_a_kill_is_at_once(bench):
    sh(bench, "trap '' TERM; echo ready; while :; do sleep 0.05; done", stop_grace=timedelta(hours=1))
    claim = bench.submit()
    eventually(lambda: bench.texts("stdout") == ["ready"])

    bench.pool.stop(claim.run_id, Reason.STOPPED)
    bench.pool.kill(claim.run_id)

    outcome = bench.done().outcome
    assert (outcome.job_status, outcome.reason) == (Status.STOPPED, Reason.KILLED)


def test_a_timeout_stops_a_command(bench):
    sh(bench, "sleep 1000", timeout=timedelta(seconds=0.1), stop_grace=timedelta(seconds=0.2))
    bench.submit()

    eventually(lambda: (bench.pool.expire(), not bench.pool.running())[1])

    outcome = bench.done().outcome
    assert outcome.reason is Reason.TIMEOUT and "0.1 s" in outcome.error


def test_a_command_killed_from_outside_names_the_signal(bench):
    sh(bench, "kill -9 $$", max_attempts=2)

    outcome = bench.run()

    assert (outcome.reason, outcome.error) == (Reason.KILLED, "killed by SIGKILL")
    assert outcome.job_status is Status.WAITING


def a_family(bench, mark: str, then: str):
    """A command with children, grandchildren and escaped sessions, all of them running. Returns its pid."""
    sh(bench, FAMILY + then, env={"MARK": mark})
    claim = bench.submit()
    (pid,) = eventually(lambda: bench.texts("stdout"))
    if then == "wait":
        eventually(lambda: len(sleepers(mark)) == FAMILY_SIZE)
    return claim, int(pid)


@pytest.mark.parametrize("way", ["end", "kill -9", "stop", "kill"])
def test_nothing_of_a_command_survives_it(bench, way):
    mark = f"{os.getpid()}-{way}"
    claim, pid = a_family(bench, mark, "true" if way == "end" else "wait")

    if way == "kill -9":
        os.kill(pid, signal.SIGKILL)
    elif way != "end":
        getattr(bench.pool, way)(claim.run_id)

    bench.done()
    assert marked(mark) == []


def test_nothing_survives_the_launcher_and_the_next_command_starts_another(bench):
    mark = f"{os.getpid()}-launcher"
    a_family(bench, mark, "wait")
    first = bench.pool.commands.launcher_pid()

    os.kill(first, signal.SIGKILL)

    outcome = bench.done().outcome
    assert outcome.reason is Reason.KILLED and "killed" in outcome.error
    assert marked(mark) == []
    bench.offer_command("/bin/echo", "again", name="next")
    assert bench.run("next").result == "again"
    assert bench.pool.commands.launcher_pid() != first


def test_close_kills_commands_and_the_launcher(bench):
    mark = f"{os.getpid()}-close"
    a_family(bench, mark, "wait")
    launcher = bench.pool.commands.launcher_pid()

    bench.pool.close()

    assert marked(mark) == [] and not is_alive(launcher)
    assert bench.done().outcome.reason is Reason.DRAINED


def test_a_command_submitted_while_the_pool_closes_is_released(bench):
    bench.offer_command("/bin/true")
    bench.pool.commands.close()

    outcome = bench.run()

    assert (outcome.job_status, outcome.reason) == (Status.WAITING, Reason.DRAINED)


def test_a_command_that_is_to_stop_before_it_begins_never_begins(bench, tmp_path):
    sh(bench, "read line < $1", "{fifo}", cwd=tmp_path)
    sh_touch = "touch began"
    bench.offer_command("/bin/sh", "-c", sh_touch, name="next", cwd=tmp_path)
    os.mkfifo(tmp_path / "fifo")
    bench.pool.resize(1)
    bench.submit(data={"fifo": str(tmp_path / "fifo")})
    claim = bench.submit("next")

    bench.pool.stop(claim.run_id, Reason.STOPPED)
    (tmp_path / "fifo").write_text("go on\n")

    bench.done()
    assert bench.done().outcome.job_status is Status.STOPPED
    assert not (tmp_path / "began").exists()


def test_a_command_holds_no_descriptor_of_the_daemon(bench, tmp_path):
    with (tmp_path / "pidfile").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        sh(bench, "echo $$; exec sleep 1000")
        bench.submit()
        (pid,) = eventually(lambda: bench.texts("stdout"))
        launcher = bench.pool.commands.launcher_pid()
        of_command, of_launcher = descriptors(int(pid)), descriptors(launcher)

    assert sorted(of_command) == ["0", "1", "2"] and of_command["0"] == "/dev/null"
    assert not any("pidfile" in target for target in of_launcher.values())


def descriptors(pid: int) -> dict[str, str]:
    return {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def test_signals_are_as_a_program_expects_them(bench):
    sh(bench, "grep -E '^Sig(Blk|Ign)' /proc/self/status")

    bench.run()

    # 32 and 33 are the C library's own: its posix_spawn, with which Python 3.13 starts processes (these tests,
    # for one), leaves them ignored, and no program can see or change that but by reading /proc.
    own_of_the_c_library = 1 << 32 - 1 | 1 << 33 - 1
    masks = [int(line.split()[1], 16) & ~own_of_the_c_library for line in bench.texts("stdout")]
    assert masks == [0, 0]


def test_a_flood_disturbs_no_other_command_and_is_bounded(bench):
    bench.offer_command("/usr/bin/yes", "a line of the flood", name="flood", output_limit=100_000)
    bench.offer_command("/bin/echo", "fine")
    started = time.monotonic()
    flood = bench.submit("flood")
    eventually(lambda: bench.texts("stdout"))

    before = time.monotonic()
    assert [bench.run().result for _ in range(10)] == ["fine"] * 10
    assert time.monotonic() - before < 5

    bench.pool.kill(flood.run_id)
    bench.done()
    (left_out,) = [int(line.text.split()[1]) for line in bench.lines() if line.stream == "server"]
    assert left_out < (2 + 12 * (time.monotonic() - started)) * 1024 * 1024
    kept = [line for line in bench.lines() if line.text.startswith("a line")]
    assert 50_000 < sum(len(line.text) for line in kept) < 100_000


def test_many_commands_at_once(bench):
    bench.pool.resize(20)
    sh(bench, 'echo "$1"; exec sleep 0.0$1', "{n}")

    for n in range(60):
        bench.submit(data={"n": n % 10})
    outcomes = [bench.done().outcome for _ in range(60)]

    assert sorted(outcome.result for outcome in outcomes) == sorted(str(n % 10) for n in range(60))


def test_lines_are_assembled_from_any_pieces():
    lines = Lines()

    blocks = [
        lines.feed(piece) for piece in (b"a\nb", b"", "ü\n".encode()[:1], "ü\n".encode()[1:], b"10%\r20%\r\n\xff")
    ]

    assert blocks == ["a\n", "", "", "bü\n", "20%\n"]
    assert lines.end() == "\ufffd\n"
    assert lines.feed(b"x" * 100_000).count("\n") == 1


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("PROGRESS 40 page 12", (40.0, "page 12")),
        ("PROGRESS 12.5%", (12.5, None)),
        ("PROGRESS 400", (100.0, None)),
        ("PROGRESS", None),
        ("PROGRESS soon", None),
        ("PROGRESS 40page", None),
        (" PROGRESS 40", None),
        ("PROGRESSION 40", None),
    ],
)
def test_progress_lines(line, progress):
    kept = "a\nb\n" if progress else f"a\n{line}\nb\n"

    assert split_progress(f"a\n{line}\nb\n") == (kept, progress)


def test_the_launcher_marks_its_commands(bench):
    sh(bench, "echo $$; sleep 1000")
    bench.submit()
    (pid,) = eventually(lambda: bench.texts("stdout"))

    marker = environment_of(int(pid))["TASKSERVER_LAUNCHER"]

    assert marker.split(".")[1] == str(bench.pool.commands.launcher_pid())


def test_a_result_that_is_the_end_of_a_longer_line_says_so(bench):
    sh(bench, "head -c 300000 /dev/zero | tr '\\0' x; echo end")

    result = bench.run().result

    assert result.startswith("…") and result.endswith("end")


def test_the_line_after_a_long_one_is_told_as_it_is():
    lines = Lines()
    whole = [lines.feed(b"x" * (LINE_BYTES + 1)), lines.feed(b"end\nnext\n"), lines.feed(b"more\n")]

    assert last_line(whole[1], continued=True, limit=100) == "next"
    assert last_line("end\n", continued=True, limit=100) == "…end"
    assert last_line("0123456789\n", continued=False, limit=5) == "…6789"
    assert not lines.continued
