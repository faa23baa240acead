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
