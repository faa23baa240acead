"""The log in the journal: entries that journald understands, and a journal that is slow or away."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from log_readers import CLAIM, FakeJournal, record

from taskserver.daemon.logs import channel
from taskserver.daemon.logs.channel import NobodyTakesLogs
from taskserver.daemon.logs.handler import Patience
from taskserver.daemon.logs.journal import JournalHandler
from taskserver.log_fields import about, said_by_task


@pytest.fixture
def journal(tmp_path):
    made = FakeJournal(tmp_path / "socket")
    yield made
    made.go()


@pytest.fixture
def handler(journal):
    made = JournalHandler("erp1", socket=journal.path)
    yield made
    made.close()


@pytest.fixture
def patient(journal, monkeypatch):
    """One that waits for as long as a busy machine may need."""
    monkeypatch.setattr(channel, "LONGEST_WAIT_SECONDS", 20.0)
    made = JournalHandler("erp1", socket=journal.path)
    made._patience = {True: Patience(20.0), False: Patience(20.0)}
    yield made
    made.close()


def test_an_entry_about_a_run_has_its_fields(handler, journal):
    handler.handle(record("customer %d", 4711, level=logging.WARNING, **about(CLAIM)))

    assert journal.entry() == {
        "MESSAGE": "customer 4711",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "taskserver",
        "LOGGER": "x",
        "NODE": "erp1",
        "CODE_FILE": "/opt/x.py",
        "CODE_LINE": "7",
        "JOB": "4711",
        "RUN": "12",
        "TASK": "invoices.create",
        "CLIENT": "acme",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.INFO, "6"),
        (25, "6"),
        (logging.ERROR, "3"),
        (logging.CRITICAL, "2"),
        (99, "2"),
    ],
)
def test_levels_become_priorities(handler, journal, level, priority):
    handler.handle(record("x", level=level))

    assert journal.entry()["PRIORITY"] == priority


@pytest.mark.parametrize("text", ["a=b\nJOB=1\n", "\n", "Zürich\n漢字", "", "\0binary\x1b[0m\n\r"])
def test_any_text_arrives_as_it_is(handler, journal, text):
    handler.handle(record("%s", text))
    handler.handle(record("next", **about(replace(CLAIM, client="a\nJOB=2"))))

    assert journal.entry()["MESSAGE"] == text
    following = journal.entry()
    assert (following["MESSAGE"], following["JOB"], following["CLIENT"]) == ("next", "4711", "a\nJOB=2")


def test_lone_surrogates_and_wrong_arguments_are_shown(handler, journal):
    handler.handle(record("lone \udc80"))
    handler.handle(record("%d", "no number"))

    assert journal.entry()["MESSAGE"] == "lone \\udc80"
    assert journal.entry()["MESSAGE"].startswith("'%d' (arguments do not fit")


def test_a_large_message_goes_as_a_sealed_file(handler, journal):
    handler._channel._socket.setsockopt(1, 7, 4096)  # SO_SNDBUF: as small as on a narrow system
    text = "line of a long dump\n" * 10_000

    handler.handle(record(text))
    handler.handle(record("next"))

    assert journal.entry()["MESSAGE"] == text
    assert journal.entry()["MESSAGE"] == "next"


def test_what_is_larger_than_a_log_should_hold_is_cut(handler, journal):
    handler.handle(record("x" * 10_000_000))

    message = journal.entry()["MESSAGE"]
    assert len(message) < 300_000
    assert message.endswith("characters left out)")


def test_a_full_journal_holds_nobody_up_and_what_was_lost_is_said(patient, journal):
    """Each line that waited would wait for 20 s; patience is at its end."""
    handler = patient
    handler._patience[False] = Patience(0.0)
    for number in range(1000):
        handler.handle(record("line %d", number))

    seen = journal.entries()
    handler.handle(record("afterwards"))

    assert [entry["MESSAGE"] for entry in seen] == [f"line {number}" for number in range(len(seen))]
    lost, after = journal.entry(), journal.entry()
    assert lost["MESSAGE"].startswith(f"{1000 - len(seen)} log lines could not be written")
    assert (lost["PRIORITY"], after["MESSAGE"]) == ("4", "afterwards")
    assert handler.lost == 0


def test_patience_is_for_each_second_anew(monkeypatch):
    now = 1000.0
    monkeypatch.setattr("taskserver.daemon.logs.handler.time.monotonic", lambda: now)
    patience = Patience(0.1)
    whole = patience.left()

    now = 1000.25
    patience.spend(since=1000.19)
    rest = patience.left()
    now = 1000.5
    patience.spend(since=1000.25)

    assert (whole, rest) == (0.1, pytest.approx(0.04))
    assert patience.left() == 0
    now = 1001.0
    assert patience.left() == 0.1


def test_a_short_burst_waits_for_the_journal_and_loses_nothing(patient, journal):
    found = []
    reader = threading.Thread(target=lambda: found.extend(journal.entry() for _ in range(500)))
    reader.start()

    for number in range(500):
        patient.handle(record("line %d", number))
    reader.join(30)

    assert [entry["MESSAGE"] for entry in found] == [f"line {number}" for number in range(500)]


def test_after_the_journal_was_away_it_goes_on(handler, journal):
    handler.handle(record("before"))
    journal.go()
    for _ in range(3):
        handler.handle(record("while it is away"))
    restarted = FakeJournal(journal.path)

    handler.handle(record("after"))

    assert [entry["MESSAGE"] for entry in restarted.entries()] == [
        "3 log lines could not be written: No such file or directory",
        "after",
    ]
    restarted.go()


def test_without_a_journal_it_says_so(tmp_path):
    (tmp_path / "plain").touch()

    for place in ("missing", "plain"):
        with pytest.raises(NobodyTakesLogs, match="log_format") as refused:
            JournalHandler("erp1", socket=tmp_path / place)
        assert refused.value.exit_code == 6


def test_a_flood_of_one_job_leaves_the_journal_to_the_others(handler, journal):
    found = []
    other = replace(CLAIM, job_id=8, run_id=13)

    for number in range(20_000):
        handler.handle(record("flood %d", number, name="taskserver.task.x", **said_by_task(CLAIM)))
        found += journal.entries() if number < 3000 else []
    handler.handle(record("of another job", name="taskserver.task.x", **said_by_task(other)))
    found += journal.entries()

    of_flood = [entry for entry in found if entry.get("JOB") == "4711"]
    assert len(of_flood) == 2001
    assert of_flood[-1]["MESSAGE"].endswith("further ones are left out here; `job log 4711` has them")
    assert [entry["MESSAGE"] for entry in found if entry.get("JOB") == "8"] == ["of another job"]


def test_tasks_that_use_up_their_patience_leave_the_dispatcher_its_own(patient, journal):
    patient._patience[True] = Patience(0.0)
    for number in range(100):
        patient.handle(record("line %d", number, **said_by_task(CLAIM)))
    assert patient.lost
    found = []
    reader = threading.Timer(0.05, lambda: found.extend(journal.entry() for _ in range(13)))
    reader.start()

    patient.handle(record("of the dispatcher"))
    reader.join(30)

    assert found[-1]["MESSAGE"] == "of the dispatcher"
