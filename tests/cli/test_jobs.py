"""`task_server job`, on a real SQLite file."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from taskserver.jobs import Outcome, OutputLine, Report


def test_add_prints_the_id_and_list_shows_the_job(task_server):
    added = task_server.ok("job", "add", "sample", "seconds=2.5", "--client", "default")

    assert added.out == "job 1 is queued\n"
    line = task_server.ok("job", "list").out.splitlines()[1]
    assert line.split()[:3] == ["1", "waiting", "sample"]


def test_add_with_json_prints_the_row(task_server):
    job = task_server.ok("job", "add", "sample", "seconds=2.5", "--priority", 7, "--json").json

    assert job["data"] == {"seconds": 2.5}
    assert (job["id"], job["status"], job["priority"], job["client"]) == (1, "waiting", 7, "default")
    assert job["created"] is True
    assert datetime.fromisoformat(job["created_at"]).tzinfo is UTC


def test_every_option_of_add_reaches_its_column(task_server):
    options = [
        "--title",
        "T",
        "--node",
        "n1",
        "--max-attempts",
        3,
        "--unique-key",
        "k",
        "--at",
        "2099-12-24T06:00",
    ]

    job = task_server.ok("job", "add", "sample", *options, "--json").json

    columns = ("title", "node_id", "max_attempts", "unique_key", "next_run_at")
    assert [job[column] for column in columns] == ["T", "n1", 3, "k", "2099-12-24T05:00:00Z"]


def test_at_is_told_in_the_time_zone_of_the_configuration(task_server):
    assert task_server.ok("job", "add", "sample", "--at", "2099-12-24T06:00").out == (
        "job 1 is queued for 2099-12-24 06:00:00 CET\n"
    )


def test_a_moment_that_is_none_exits_with_2(task_server):
    result = task_server("job", "add", "sample", "--at", "soon")

    assert result.code == 2
    assert "'soon' is no time" in result.err


def test_a_unique_key_queues_once(task_server):
    task_server.ok("job", "add", "sample", "--unique-key", "a")
    again = task_server.ok("job", "add", "sample", "--unique-key", "a")
    as_json = task_server.ok("job", "add", "sample", "--unique-key", "a", "--json").json

    assert again.out == "job 1 has this key already; nothing was queued\n"
    assert (as_json["id"], as_json["created"]) == (1, False)


@pytest.mark.parametrize("published", [True, False])
def test_wrong_arguments_exit_with_2_and_name_each(task_server, request, published):
    if published:
        request.getfixturevalue("node")

    result = task_server("job", "add", "sample", "seconds=abc", "secnds=1")

    assert result.code == 2
    assert "seconds" in result.err
    assert "did you mean 'seconds'?" in result.err
    assert task_server.ok("job", "list", "--json").json == []


@pytest.mark.parametrize("published", [True, False])
def test_an_unknown_task_exits_with_153_and_suggests_the_nearest(task_server, request, published):
    if published:
        request.getfixturevalue("node")

    result = task_server("job", "add", "smple")

    assert result.code == 153
    assert "did you mean 'sample'?" in result.err


def test_a_published_task_is_checked_without_importing_any_module(task_server, node):
    task_server.config.write_text(task_server.config.read_text() + 'modules = ["there_is_none"]\n')

    task_server.ok("job", "add", "sample", "seconds=1")

    assert task_server("job", "add", "unknown").code == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seconds"], "write NAME=VALUE"),
        (["=1"], "write NAME=VALUE"),
        (["seconds=1", "seconds=2"], "given twice"),
        (["seconds=1", "--data", '{"seconds": 2}'], "given twice"),
        (["--data", "{"], "--data is no JSON"),
        (["--data", "[]"], "must be a JSON object"),
        (["--timeout", "3"], "--timeout goes with --wait"),
        (["--unique-for", "never"], "'never' is not one of"),
        (["--max-attempts", "0"], "--max-attempts"),
    ],
)
def test_wrong_usage_of_add_exits_with_2(task_server, arguments, message):
    result = task_server("job", "add", "sample", *arguments)

    assert result.code == 2
    assert message in result.err


def test_an_unknown_client_exits_with_153(task_server):
    assert task_server("job", "add", "sample", "--client", "nobody").code == 153


def test_list_filters(task_server):
    task_server.ok("client", "add", "acme", "--login", "x")
    task_server.ok("job", "add", "sample", "--title", "one")
    task_server.ok("job", "add", "sample", "--title", "two", "--client", "acme")
    task_server.ok("job", "stop", 2)

    def ids(*filters: object) -> list[int]:
        return [job["id"] for job in task_server.ok("job", "list", *filters, "--json").json]

    assert ids() == [1, 2]
    assert ids("--status", "stopped") == [2]
    assert ids("--status", "stopped", "--status", "waiting") == [1, 2]
    assert ids("--client", "acme") == [2]
    assert ids("--text", "ONE") == [1]
    assert ids("--task", "other") == []
    assert ids("--limit", 1) == [1]
    assert ids("--after", 1) == [2]


def test_list_by_cron_entry(task_server):
    task_server.ok("schedule", "add", "nightly", "sample", "--cron", "@daily")
    task_server.ok("job", "add", "sample")
    task_server.ok("schedule", "run", "nightly")

    jobs = task_server.ok("job", "list", "--entry", "nightly", "--json").json

    assert [job["cron_entry"] for job in jobs] == ["nightly"]
    assert task_server("job", "list", "--entry", "weekly").code == 153


def test_an_empty_list_is_a_message_and_no_data(task_server):
    result = task_server.ok("job", "list")

    assert (result.out, result.err) == ("", "no jobs\n")


def test_start_stop_and_delete_take_several_jobs_and_tell_the_first_failure(task_server):
    task_server.ok("job", "add", "sample")
    task_server.ok("job", "add", "sample")

    stopped = task_server("job", "stop", 1, 99, 2)
    started = task_server.ok("job", "start", 1, "--json")
    deleted = task_server.ok("job", "delete", 1, 2)

    assert stopped.code == 153
    assert stopped.err == "task_server: there is no job 99\n"
    assert stopped.out.count("\n") == 2
    assert [job["status"] for job in started.json] == ["waiting"]
    assert deleted.out == "job 1 is deleted\njob 2 is deleted\n"


def test_a_command_that_does_not_fit_the_status_exits_with_1(task_server):
    task_server.ok("job", "add", "sample")
    task_server.ok("job", "stop", 1)

    assert task_server("job", "kill", 1).code == 1
    assert task_server("job", "move", 1, "up").code == 1


def test_move_changes_the_order(task_server):
    for _ in range(3):
        task_server.ok("job", "add", "sample")

    task_server.ok("job", "move", 3, "first")
    task_server.ok("job", "move", 1, "down")

    assert [job["id"] for job in task_server.ok("job", "list", "--json").json] == [3, 2, 1]


def test_delete_all_asks_and_refuses_where_nobody_can_be_asked(task_server):
    task_server.ok("job", "add", "sample")

    refused = task_server("job", "delete-all")
    deleted = task_server.ok("job", "delete-all", "--yes", "--json")

    assert refused.code == 2
    assert "--yes" in refused.err
    assert deleted.json == {"deleted": 1}


def test_delete_finished_leaves_the_others(task_server, node):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.finished("done"))
    task_server.ok("job", "add", "sample")

    assert task_server.ok("job", "delete-finished").out == "1 job deleted\n"
    assert [job["id"] for job in task_server.ok("job", "list", "--json").json] == [2]


def test_show_answers_from_the_runs_when_the_job_is_gone(task_server, node):
    task_server.ok("job", "add", "sample", "seconds=1")
    node.run(Outcome.finished("a result"))
    task_server.ok("job", "delete", 1)

    shown = task_server.ok("job", "show", 1)
    as_json = task_server.ok("job", "show", 1, "--json").json

    assert "a result" in shown.out
    assert "its last run is shown" in shown.out
    assert (as_json["gone"], as_json["status"], as_json["result"]) == (True, "finished", "a result")


def test_show_of_a_failed_job_has_its_error_and_its_arguments(task_server, node):
    task_server.ok("job", "add", "sample", "seconds=3")
    node.run(Outcome.failed("no paper"))

    shown = task_server.ok("job", "show", 1).out

    assert '{"seconds": 3}' in shown
    assert "no paper" in shown
    assert "failed" in shown


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.finished("12 invoices"), 0),
        (Outcome.failed("no paper"), 150),
        (Outcome.stopped(), 152),
    ],
)
def test_the_exit_code_of_wait_is_the_outcome(task_server, node, outcome, code):
    task_server.ok("job", "add", "sample")
    claim = node.claim()
    if code == 152:
        task_server.ok("job", "stop", 1)
    node.end(claim, outcome)

    assert task_server("job", "wait", 1).code == code
    assert task_server("job", "wait", 1, "--json").json["id"] == 1


def test_wait_answers_from_the_runs_when_the_job_is_gone(task_server, node):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.failed("no paper"))
    task_server.ok("job", "delete", 1)

    result = task_server("job", "wait", 1)

    assert result.code == 150
    assert "no paper" in result.out


def test_show_tells_the_end_of_a_job_that_has_ended_not_of_an_attempt_before(task_server, node):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.failed("no paper"))
    ended = "Ended:" in task_server.ok("job", "show", 1).out
    task_server.ok("job", "add", "sample", "--max-attempts", 3)
    claim = node.claim()
    node.end(claim, Outcome.retry("no paper", after=timedelta(0)))
    node.claim()

    said = task_server.ok("job", "show", 2).out

    assert ended
    assert "running" in said
    assert "Ended:" not in said


def test_wait_exits_with_151_when_the_time_is_over(task_server, node):
    task_server.ok("job", "add", "sample")
    claim = node.claim()
    node.report(Report(claim.run_id, claim.job_id, progress=40.0, detail="page 12"))

    result = task_server("job", "wait", 1, "--timeout", "0.01")

    assert result.code == 151
    assert "job 1: running 40 % page 12" in result.err
    assert result.out == ""


def test_add_and_wait_in_one(task_server):
    result = task_server("job", "add", "sample", "--wait", "--timeout", "0")

    assert result.code == 151
    assert "job 1 is queued" in result.err


def test_wait_for_a_job_that_is_not_there_exits_with_153(task_server):
    assert task_server("job", "wait", 7).code == 153


def test_the_log_shows_the_output_of_a_run(task_server, node):
    task_server.ok("job", "add", "sample")
    claim = node.claim()
    lines = [OutputLine(1, datetime(2026, 11, 22, 8, tzinfo=UTC), "stdout", "first"), _line(2, "second \x1b[1m")]
    node.report(Report(claim.run_id, claim.job_id, lines=lines))
    node.end(claim, Outcome.finished())

    assert task_server.ok("job", "log", 1).out == "first\nsecond \N{REPLACEMENT CHARACTER}[1m\n"
    assert task_server.ok("job", "log", 1, "-f").out.splitlines()[0] == "first"
    assert task_server.ok("job", "log", 1, "--times").out.startswith("2026-11-22 09:00:00 first\n")
    assert task_server.ok("job", "log", 1, "--json", "-f").json[0]["text"] == "first"
    assert task_server.ok("job", "log", 1, "--run", claim.run_id).out.startswith("first\n")


def test_the_log_of_a_job_that_is_not_there_exits_with_153(task_server):
    assert task_server("job", "log", 7).code == 153


def test_explain_says_why_a_job_does_not_run(task_server):
    task_server.ok("client", "add", "acme")
    task_server.ok("job", "add", "sample", "--client", "acme", "--at", "+1h")

    findings = task_server.ok("job", "explain", 1, "--json").json

    assert {"no_login", "future", "no_node"} <= {finding["code"] for finding in findings}
    assert "has no login" in task_server.ok("job", "explain", 1).out


def test_statuses_are_german_for_germans_and_keys_never(task_server):
    task_server.ok("job", "add", "sample")

    assert "wartet" in task_server.ok("--lang", "de", "job", "list").out
    assert task_server.ok("--lang", "de", "job", "list", "--json").json[0]["status"] == "waiting"


def _line(seq: int, text: str) -> OutputLine:
    return OutputLine(seq, datetime(2026, 11, 22, 8, tzinfo=UTC) + timedelta(seconds=seq), "stdout", text)


def test_deleting_a_running_job_says_that_it_goes_later(task_server, node):
    task_server.ok("job", "add", "sample")
    task_server.ok("job", "add", "sample")
    claim = node.claim()

    deleted = task_server.ok("job", "delete", 1, 2)
    again = task_server.ok("job", "delete", 1, "--json").json

    assert deleted.out == "job 2 is deleted\njob 1 runs; it is asked to stop, and deleted when it has ended\n"
    assert again == {"deleted": [], "stopping": [1]}
    assert "as soon as it has ended" in task_server.ok("job", "show", 1).out
    node.end(claim, Outcome.finished("done"))
    assert "yes, its last run is shown" in task_server.ok("job", "show", 1).out


def test_a_job_of_a_client_without_a_login_is_not_said_to_start(task_server):
    task_server.ok("client", "add", "acme")
    task_server.ok("job", "add", "sample", "--client", "acme")
    task_server.ok("job", "add", "sample")

    started = task_server.ok("job", "start", 1, 2).out.splitlines()

    assert started[0].startswith("job 1 can't start yet: its client acme has no login")
    assert started[1] == "job 2 will be started"


def test_a_move_that_moves_nothing_says_so(task_server):
    task_server.ok("job", "add", "sample")
    task_server.ok("job", "add", "sample")

    moves = [task_server.ok("job", "move", 1, where).out for where in ("up", "first", "down", "last")]

    still = "job 1 stands there already\n"
    assert moves == [still, still, "job 1 is moved\n", still]


def test_times_in_an_explanation_are_those_of_the_configured_zone(task_server, monkeypatch):
    monkeypatch.setattr(import_module("taskserver.cli.job.wait"), "_EXPLAIN_AFTER_SECONDS", 0.0)
    task_server.ok("job", "add", "sample", "--at", "2099-12-24T06:00")

    waited = task_server("job", "wait", 1, "--timeout", "0.5").err
    findings = task_server.ok("job", "explain", 1, "--json").json

    told = "it is due: 2099-12-24 06:00:00 CET"
    assert told in waited
    assert told in [finding["text"] for finding in findings]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_a_mistyped_task_is_told_before_root_is_refused(task_server):
    task_server.config.write_text(task_server.config.read_text().replace("allow_root = true\n", ""))

    mistyped, right = task_server("job", "add", "sampel"), task_server("job", "add", "sample")

    assert (mistyped.code, right.code) == (153, 6)
    assert "did you mean 'sample'?" in mistyped.err
    assert "does not work as root" in right.err
