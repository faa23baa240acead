"""`task_server schedule`, on a real SQLite file; `preview` without any."""

from __future__ import annotations

from datetime import datetime

import pytest

from taskserver.jobs import Outcome

NIGHTLY = ("schedule", "add", "nightly", "sample", "seconds=2", "--cron", "30 2 * * *")


def test_add_says_what_it_means_and_when_it_runs_next(task_server):
    result = task_server.ok(*NIGHTLY)

    assert "cron entry 'nightly' is added" in result.out
    assert "every day at 02:30" in result.out
    assert "next run: " in result.out
    assert " 02:30:00 CE" in result.out


def test_add_warns_on_stderr(task_server):
    result = task_server.ok("schedule", "add", "n", "sample", "--cron", "7 6 1-5 * *")

    assert result.err.startswith("warning: 1-5 in the third field")


def test_every_option_of_add_reaches_its_column(task_server):
    task_server.ok("client", "add", "acme", "--login", "x")
    options = ["--time-zone", "UTC", "--misfire", "all", "--overlap", "queue", "--client", "acme", "--title", "T"]
    more = ["--description", "D", "--priority", 5, "--node", "n1", "--max-attempts", 2, "--disabled"]

    entry = task_server.ok(*NIGHTLY, *options, *more, "--json").json

    assert entry["data"] == {"seconds": 2}
    assert [entry[column] for column in ("name", "task", "cron_spec", "time_zone", "misfire", "overlap")] == [
        *("nightly", "sample", "30 2 * * *", "UTC", "all", "queue")
    ]
    assert [entry[column] for column in ("client", "title", "description", "priority", "node_id")] == [
        *("acme", "T", "D", 5, "n1")
    ]
    assert (entry["max_attempts"], entry["active"], entry["status"]) == (2, False, None)


def test_the_time_zone_is_that_of_the_configuration(task_server):
    assert task_server.ok(*NIGHTLY, "--json").json["time_zone"] == "Europe/Berlin"


def test_the_same_name_again_exits_with_1_and_names_edit(task_server):
    task_server.ok(*NIGHTLY)

    result = task_server(*NIGHTLY)

    assert result.code == 1
    assert "schedule edit nightly" in result.err


def test_if_missing_changes_nothing_and_succeeds(task_server):
    first = task_server.ok(*NIGHTLY, "--json").json

    result = task_server.ok("schedule", "add", "nightly", "sample", "--cron", "@hourly", "--if-missing", "--json")

    assert result.json["cron_spec"] == first["cron_spec"]
    assert "already" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("n", "sample", "--cron", "61 * * * *"), 2, "61"),
        (("n", "sample", "--cron", "* * * *"), 2, "cron expression"),
        (("n", "sample", "--cron", "@daily", "--time-zone", "Europe/Berln"), 2, "Europe/Berlin"),
        (("n", "smple", "--cron", "@daily"), 153, "did you mean 'sample'?"),
        (("n", "sample", "secnds=1", "--cron", "@daily"), 2, "secnds"),
        (("n", "sample", "--cron", "@daily", "--client", "nobody"), 153, "nobody"),
        (("n", "sample"), 2, "--cron"),
    ],
)
def test_what_is_wrong_with_a_new_entry_is_told(task_server, arguments, code, message):
    result = task_server("schedule", "add", *arguments)

    assert result.code == code
    assert message in result.err
    assert task_server.ok("schedule", "list", "--json").json == []


def test_list_shows_entries_with_their_next_run(task_server):
    task_server.ok(*NIGHTLY)

    lines = task_server.ok("schedule", "list").out.splitlines()

    assert lines[1].split()[:7] == ["nightly", "yes", "30", "2", "*", "*", "*"]
    assert " 02:30:00" in lines[1]


def test_show_tells_next_runs_last_outcomes_and_missed_ones(task_server, node):
    task_server.ok(*NIGHTLY)
    task_server.ok("schedule", "run", "nightly")
    node.run(Outcome.failed("no paper"))

    shown = task_server.ok("schedule", "show", "nightly").out
    as_json = task_server.ok("schedule", "show", "nightly", "--json").json

    assert "every day at 02:30" in shown
    assert "failed: no paper" in shown
    assert shown.count(" 02:30:00 CE") == 5
    assert [run["error"] for run in as_json["runs"]] == ["no paper"]
    assert len(as_json["next"]) == 5
    assert as_json["missed"] == []


def test_an_entry_is_found_by_its_id_too(task_server):
    entry = task_server.ok(*NIGHTLY, "--json").json

    assert task_server.ok("schedule", "show", entry["id"], "--json").json["name"] == "nightly"


def test_edit_changes_what_is_named_and_keeps_the_rest(task_server):
    before = task_server.ok(*NIGHTLY, "--node", "n1", "--json").json

    after = task_server.ok("schedule", "edit", "nightly", "--cron", "0 3 * * *", "--node", "", "--json").json

    assert (after["cron_spec"], after["node_id"], after["data"]) == ("0 3 * * *", None, {"seconds": 2})
    assert after["next_run_at"] != before["next_run_at"]


def test_edit_of_arguments_keeps_the_others_unless_data_is_given(task_server):
    task_server.ok(*NIGHTLY)

    merged = task_server.ok("schedule", "edit", "nightly", "seconds=4", "--json").json["data"]
    emptied = task_server.ok("schedule", "edit", "nightly", "--unset", "seconds", "--json").json["data"]
    replaced = task_server.ok("schedule", "edit", "nightly", "--data", '{"seconds": 5}', "--json").json["data"]

    assert (merged, emptied, replaced) == ({"seconds": 4}, {}, {"seconds": 5})


@pytest.mark.parametrize(
    "arguments", [(), ("--cron", "nonsense"), ("--time-zone", "Nowhere"), ("secnds=1",), ("--misfire", "never")]
)
def test_a_wrong_edit_exits_with_2_and_changes_nothing(task_server, arguments):
    before = task_server.ok(*NIGHTLY, "--json").json

    assert task_server("schedule", "edit", "nightly", *arguments).code == 2
    assert task_server.ok("schedule", "show", "nightly", "--json").json["cron_spec"] == before["cron_spec"]


def test_an_entry_can_be_renamed_but_not_onto_another(task_server):
    task_server.ok(*NIGHTLY)
    task_server.ok("schedule", "add", "other", "sample", "--cron", "@daily")

    assert task_server("schedule", "edit", "nightly", "--rename", "other").code == 1
    assert task_server.ok("schedule", "edit", "nightly", "--rename", "daily", "--json").json["name"] == "daily"


def test_disable_and_enable(task_server):
    task_server.ok(*NIGHTLY)

    disabled = task_server.ok("schedule", "disable", "nightly", "--json").json["active"]
    enabled = task_server.ok("schedule", "enable", "nightly", "--json").json["active"]

    assert (disabled, enabled) == (False, True)


def test_run_queues_a_job_and_does_not_move_the_schedule(task_server):
    before = task_server.ok(*NIGHTLY, "--json").json

    job = task_server.ok("schedule", "run", "nightly", "--json").json

    assert (job["cron_entry"], job["data"]) == ("nightly", {"seconds": 2})
    after = task_server.ok("schedule", "show", "nightly", "--json").json
    assert after["next_run_at"] == before["next_run_at"]


def test_delete_leaves_the_jobs(task_server):
    task_server.ok(*NIGHTLY)
    task_server.ok("schedule", "run", "nightly")

    task_server.ok("schedule", "delete", "nightly")

    assert task_server("schedule", "show", "nightly").code == 153
    assert len(task_server.ok("job", "list", "--json").json) == 1


def test_preview_needs_neither_configuration_nor_database(program, tmp_path):
    result = program(
        *("-c", str(tmp_path / "none.toml"), "schedule", "preview", "30 2 * * *"),
        *("--time-zone", "Europe/Berlin", "--after", "2026-03-28T00:00", "-n", "3", "--json"),
    )

    assert result.code == 0
    assert set(result.json) == {"cron_spec", "time_zone", "sentence", "next", "warnings"}
    assert set(result.json["sentence"]) == {"en", "de"}
    assert (result.json["cron_spec"], result.json["time_zone"]) == ("30 2 * * *", "Europe/Berlin")
    assert result.json["next"] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert all(set(warning) == {"code", "en", "de"} for warning in result.json["warnings"])


def test_preview_for_people_is_in_their_language(program):
    english = program("schedule", "preview", "30 2 * * *", "--time-zone", "Europe/Berlin", "-n", "2")
    german = program(
        "--lang", "de", "schedule", "preview", "30 2 * * *", "--time-zone", "Europe/Berlin", "-n", "2"
    )

    assert english.out.splitlines()[0] == "every day at 02:30"
    assert english.out.count("02:30:00 CE") == 2
    assert english.err.startswith("warning: ")
    assert "täglich um 02:30 Uhr" in german.out
    assert german.err.startswith("Warnung: ")


@pytest.mark.parametrize(
    "arguments", [("61 * * * *",), ("@daily", "--time-zone", "X"), ("@daily", "--after", "soon"), ()]
)
def test_a_wrong_preview_exits_with_2(program, arguments):
    assert program("schedule", "preview", *arguments).code == 2


def test_preview_takes_the_five_fields_unquoted_too(program):
    result = program("schedule", "preview", "0", "6", "1", "1", "1-5", "--time-zone", "UTC", "--json")

    assert result.json["cron_spec"] == "0 6 1 1 1-5"
    assert all(datetime.fromisoformat(moment).hour == 6 for moment in result.json["next"])
