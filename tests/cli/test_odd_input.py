"""What operators mistype or write by other means: a sentence and a telling exit code, never a crash."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from taskserver.jobs import Outcome, Reason


@pytest.fixture
def entry_without_a_zone(task_server):
    """A cron entry as a plain INSERT leaves it: no time zone."""
    task_server.ok("schedule", "add", "nightly", "sample", "--cron", "30 2 * * *", "--time-zone", "UTC")
    with closing(sqlite3.connect(task_server.database)) as connection, connection:
        connection.execute("UPDATE jobs SET time_zone = NULL WHERE type = 'interval'")
    return task_server


def test_show_takes_the_configured_zone_for_an_entry_without_one(entry_without_a_zone):
    shown = entry_without_a_zone.ok("schedule", "show", "nightly")

    assert "30 2 * * * (Europe/Berlin)" in shown.out
    assert " 02:30:00 CE" in shown.out


def test_list_takes_the_configured_zone_for_an_entry_without_one(entry_without_a_zone):
    assert "Europe/Berlin" in entry_without_a_zone.ok("schedule", "list").out


def test_edit_computes_the_next_run_in_the_configured_zone(entry_without_a_zone):
    edited = entry_without_a_zone.ok("schedule", "edit", "nightly", "--cron", "30 3 * * *")

    assert " 03:30:00 CE" in edited.out
    entry = entry_without_a_zone.ok("schedule", "show", "nightly", "--json").json
    assert entry["next_run_at"][11:16] in ("01:30", "02:30")
    assert entry["time_zone"] is None


def test_enable_computes_the_next_run_in_the_configured_zone(entry_without_a_zone):
    entry_without_a_zone.ok("schedule", "disable", "nightly")

    enabled = entry_without_a_zone.ok("schedule", "enable", "nightly", "--json").json

    assert enabled["next_run_at"][11:16] in ("00:30", "01:30")
    assert enabled["time_zone"] is None


@pytest.mark.parametrize("command", ["show", "stop", "delete", "explain", "log"])
def test_an_id_beyond_every_number_is_refused(task_server, command):
    result = task_server("job", command, "99999999999999999999999")

    assert result.code == 2
    assert "99999999999999999999999 is too large a number" in result.err


@pytest.mark.parametrize("number", ["99999999999999999999", "2147483648", "-2147483649"])
@pytest.mark.parametrize("command", [("job", "add"), ("schedule", "add", "--cron", "@daily", "n")])
def test_a_priority_out_of_range_is_told_the_range(task_server, command, number):
    result = task_server(*command, "sample", "--priority", number)

    assert result.code == 2
    assert f"{number} is not from -2147483648 to 2147483647" in result.err


def test_the_ends_of_the_range_are_priorities(task_server):
    for number in (-2147483648, 2147483647):
        assert task_server.ok("job", "add", "sample", "--priority", number, "--json").json["priority"] == number


@pytest.mark.parametrize("command", [("job", "add"), ("schedule", "add", "--cron", "@daily", "n")])
def test_bytes_of_a_title_that_are_no_utf_8_are_replaced(task_server, command):
    row = task_server.ok(*command, "sample", "--title", "Gr\udcfc\udcdfe", "--json").json

    assert row["title"] == "Gr\ufffd\ufffde"


def test_unique_for_ever_needs_a_key(task_server):
    result = task_server("job", "add", "sample", "--unique-for", "ever")

    assert result.code == 2
    assert "--unique-for ever goes with --unique-key" in result.err
    assert task_server.ok("job", "list", "--json").json == []


@pytest.mark.parametrize("name", ["", "  "])
def test_a_cron_entry_has_a_name(task_server, name):
    result = task_server("schedule", "add", name, "sample", "--cron", "@daily")

    assert result.code == 2
    assert "a name must not be empty" in result.err


def test_a_cron_entry_keeps_a_name(task_server):
    task_server.ok("schedule", "add", "nightly", "sample", "--cron", "@daily")

    assert task_server("schedule", "edit", "nightly", "--rename", "").code == 2


@pytest.mark.parametrize("client", ["nope", "n\udcff"])
@pytest.mark.parametrize(
    "command",
    [
        ("job", "list"),
        ("schedule", "list"),
        ("history", "list"),
        ("job", "delete-finished"),
        ("job", "delete-all", "--yes"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_client_that_is_unknown_is_not_found_when_listing(task_server, command, form, client):
    result = task_server(*command, "--client", client, *form)

    assert (result.code, result.out) == (153, "")
    assert "there is no client n" in result.err


@pytest.mark.parametrize(
    "command",
    [
        ("job", "add", "sample", "note=M\udcfcller"),
        ("job", "add", "sample", "m\udcfc=1"),
        ("job", "add", "sample", "--data", '{"note": "M\udcfcller"}'),
        ("job", "add", "sample", "--unique-key", "M\udcfcller"),
        ("job", "add", "sample", "--client", "M\udcfcller"),
        ("job", "add", "sample", "--node", "M\udcfcller"),
        ("job", "add", "m\udcfc"),
        ("job", "list", "--text", "M\udcfcller"),
        ("job", "list", "--entry", "M\udcfcller"),
        ("history", "list", "--error", "M\udcfcller"),
        ("history", "list", "--node", "M\udcfcller"),
        ("schedule", "add", "nightly", "sample", "note=M\udcfcller", "--cron", "@daily"),
        ("schedule", "add", "nightly", "sample", "--cron", "M\udcfcller"),
        ("schedule", "add", "nightly", "sample", "--cron", "@daily", "--time-zone", "M\udcfcller"),
        ("schedule", "show", "M\udcfcller"),
        ("schedule", "preview", "M\udcfcller"),
        ("client", "add", "M\udcfcller"),
        ("client", "add", "acme", "--login", "M\udcfcller"),
        ("client", "show", "M\udcfcller"),
        ("task", "show", "M\udcfcller"),
    ],
    ids=lambda command: ascii(" ".join(command)),
)
def test_bytes_that_are_no_utf_8_are_told_and_nothing_is_done(task_server, command):
    result = task_server(*command)

    assert result.code == 2
    assert "\\xfc" in result.err
    assert "is no UTF-8" in result.err
    assert "unexpected" not in result.err
    assert task_server.ok("job", "list", "--json").json == []
    assert task_server.ok("schedule", "list", "--json").json == []


def test_no_times_asked_for_does_not_mean_never(program):
    previewed = program("schedule", "preview", "0 2 * * *", "-n", "0")

    assert (previewed.code, previewed.out) == (0, "every day at 02:00\n")


def test_an_expression_without_a_date_never_runs_however_few_times_are_asked_for(program):
    assert "It never runs." in program("schedule", "preview", "0 2 30 2 *", "-n", "0").out


@pytest.mark.parametrize("moment", ["9999-12-31", "9999-12-31T18:59:59", "9998-12-31T12:00"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "America/New_York", "UTC"])
@pytest.mark.parametrize("expression", ["0 2 * * *", "*/5 * * * *"])
def test_the_end_of_the_calendar_is_no_error(program, expression, zone, moment):
    previewed = program("schedule", "preview", expression, "--time-zone", zone, "--after", moment, "-n", "3")

    assert previewed.code == 0, previewed.err
    assert "never" not in previewed.out


def test_after_the_last_time_of_the_calendar_there_is_none_and_that_is_told(program):
    previewed = program("schedule", "preview", "0 2 1 1 *", "--time-zone", "UTC", "--after", "9999-12-31")

    assert "It does not run any more after that" in previewed.out


def test_a_client_that_does_not_exist_is_told_as_the_reason(task_server):
    with closing(sqlite3.connect(task_server.database)) as connection, connection:
        connection.execute("INSERT INTO jobs (task, client_id) VALUES ('sample', 77)")

    explained = task_server.ok("job", "explain", 1)
    findings = task_server.ok("job", "explain", 1, "--json").json

    assert "there is no client with the id 77" in explained.out
    assert findings[0]["code"] == "no_client"
    assert task_server.ok("job", "show", 1).code == 0


def test_names_in_advice_can_be_pasted_into_a_shell(task_server):
    added = task_server.ok("client", "add", "sp ace")
    task_server.ok("job", "add", "sample", "--client", "sp ace")
    task_server.ok("schedule", "add", "every night", "sample", "--cron", "@daily")
    again = task_server("schedule", "add", "every night", "sample", "--cron", "@daily")

    assert "client set-login 'sp ace' LOGIN" in added.err
    assert "`client set-login 'sp ace' LOGIN`" in task_server.ok("job", "explain", 1).out
    assert "`schedule edit 'every night'`" in again.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_list_of_jobs_that_is_cut_off_says_how_to_go_on(task_server, form):
    for _ in range(3):
        task_server.ok("job", "add", "sample")

    cut = task_server.ok("job", "list", "--limit", 2, *form)
    whole = task_server.ok("job", "list", "--limit", 3, *form)

    assert cut.err == "there are more jobs: go on with --after 2, or see more with --limit\n"
    assert whole.err == ""
    assert [job["id"] for job in task_server.ok("job", "list", "--after", 2, "--json").json] == [3]
    assert [job["id"] for job in task_server.ok("job", "list", "--limit", 2, "--json").json] == [1, 2]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_history_that_is_cut_off_says_how_to_go_on(task_server, node, form):
    for _ in range(3):
        task_server.ok("job", "add", "sample")
        node.run(Outcome.finished("done"))

    cut = task_server.ok("history", "list", "--limit", 2, *form)
    whole = task_server.ok("history", "list", "--limit", 3, *form)

    last = task_server.ok("history", "list", "--limit", 2, "--json").json[-1]["id"]
    assert cut.err == f"there are more runs: go on with --before {last}, or see more with --limit\n"
    assert whole.err == ""
    assert len(task_server.ok("history", "list", "--before", last, "--json").json) == 1


@pytest.mark.parametrize("noun", ["job", "history"])
def test_a_limit_may_be_the_largest_number(task_server, noun):
    assert task_server.ok(noun, "list", "--limit", 2**63 - 1, "--json").json == []


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("client", "add"), "a name must not be empty"),
        (("client", "edit", "default", "--rename"), "a name must not be empty"),
        (("schedule", "edit", "nightly", "--rename"), "a name must not be empty"),
        (("job", "add", "sample", "--node"), "a name must not be empty"),
        (("job", "add", "sample", "--unique-key"), "a unique key must not be empty"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_what_has_a_name_has_more_than_an_empty_one(task_server, command, message, name):
    task_server.ok("schedule", "add", "nightly", "sample", "--cron", "@daily")

    result = task_server(*command, name)

    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert [client["name"] for client in task_server.ok("client", "list", "--json").json] == ["default"]
    assert task_server.ok("job", "list", "--json").json == []


def test_an_empty_node_of_a_cron_entry_means_any(task_server):
    added = task_server.ok("schedule", "add", "nightly", "sample", "--cron", "@daily", "--node", "", "--json").json

    assert added["node_id"] is None


def test_lists_keep_a_long_result_short(task_server, node):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.finished("x" * 65_000))

    for noun in ("job", "history"):
        lines = task_server.ok(noun, "list").out.splitlines()
        assert max(map(len, lines)) < 400
        assert lines[1].endswith("x…")
    assert "x" * 65_000 in task_server.ok("job", "show", 1).out


@pytest.mark.parametrize(
    ("reason", "error"),
    [(Reason.ARGUMENTS, "wrong arguments for task 'sample': x: is unknown"), (Reason.KILLED, "killed by SIGKILL")],
)
def test_a_reason_that_the_error_begins_with_is_not_said_twice(task_server, node, reason, error):
    task_server.ok("job", "add", "sample")
    node.run(Outcome.failed(error, reason=reason))

    assert task_server.ok("history", "list").out.rstrip().endswith(f"failed: {error}")


@pytest.mark.parametrize(
    ("arguments", "english", "german"),
    [
        (("job", "list", "--limit", "0"), "0 is less than 1", "0 ist kleiner als 1"),
        (("job", "list", "--limit", "x"), "'x' is not a whole number", "'x' ist keine ganze Zahl"),
        (("job", "list", "--limit", "1.5"), "'1.5' is not a whole number", "'1.5' ist keine ganze Zahl"),
        (
            ("schedule", "preview", "@daily", "-n", "10001"),
            "10001 is not from 0 to 10000",
            "10001 liegt nicht zwischen 0 und 10000",
        ),
        (("stop", "--timeout", "soon"), "'soon' is not a number", "'soon' ist keine Zahl"),
        (("--run-job=0", "start"), "0 is less than 1", "0 ist kleiner als 1"),
        (("job", "add", "sample", "--priority", "high"), "'high' is not a whole", "'high' ist keine ganze"),
    ],
)
def test_a_number_that_is_none_or_out_of_bounds_is_told_in_words(program, arguments, english, german):
    in_english, in_german = program(*arguments), program("--lang", "de", *arguments)

    assert (in_english.code, in_german.code) == (2, 2)
    assert in_english.err.rstrip().endswith(english) or english in in_english.err
    assert german in in_german.err
    assert "range" not in in_english.err + in_german.err


def test_status_of_a_folder_that_is_not_there_names_it(program, tmp_path):
    absent = tmp_path / "absent"

    result = program("--users-dir", str(absent), "status")

    assert (result.code, result.out) == (3, "the task server is not running\n")
    assert result.err == f"there is no users directory {absent} yet\n"
