"""The line that `systemctl status` shows."""

from __future__ import annotations

import pytest

from taskserver.daemon.summary import summary
from taskserver.texts import use_language

WORKING = {"state": "running", "busy": 3, "slots": 4, "waiting": 12, "autostart": True, "database": "ok"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "3 of 4 slots busy, 12 jobs waiting"),
        ({"busy": 0, "waiting": 0}, "0 of 4 slots busy, no jobs waiting"),
        ({"waiting": 1}, "3 of 4 slots busy, 1 job waiting"),
        ({"waiting": None}, "3 of 4 slots busy"),
        ({"autostart": False}, "3 of 4 slots busy, 12 jobs waiting, auto-start is off"),
        (
            {"database": "locked"},
            "3 of 4 slots busy, 12 jobs waiting, the database is locked by another program",
        ),
        (
            {"database": "connection refused"},
            "3 of 4 slots busy, 12 jobs waiting, the database is not available",
        ),
        ({"state": "draining"}, "draining: 3 jobs still run"),
        ({"state": "draining", "busy": 1}, "draining: 1 job still runs"),
        ({"state": "draining", "busy": 0}, "draining: no job runs any more"),
        ({"state": "waiting for database"}, "waiting for the database"),
        ({"state": "starting"}, "starting"),
    ],
)
def test_a_person_reads_one_sentence(changes, line):
    assert summary(WORKING | changes) == line


def test_it_exists_in_german():
    use_language("de")

    assert summary(WORKING) == "3 von 4 Plätzen belegt, 12 Aufgaben warten"
    assert summary(WORKING | {"state": "draining"}) == "läuft aus: 3 Aufgaben laufen noch"
