"""What operators mistype or write by other means: a sentence and a telling exit code, never a crash."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest


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
