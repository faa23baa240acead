"""The log: where it goes by which setting, and its forms."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from log_readers import CLAIM, FakeJournal, FakeSyslog

from taskserver.daemon import logs
from taskserver.daemon.folders import LogRefused
from taskserver.daemon.logs import Logs
from taskserver.log_fields import about


@pytest.fixture
def settings(tmp_path):
    return SimpleNamespace(log_file=tmp_path / "x.log", log_format="text", debug=False, node_id="erp1")


@pytest.fixture
def journal(tmp_path, monkeypatch):
    made = FakeJournal(tmp_path / "socket")
    monkeypatch.setattr("taskserver.daemon.logs.journal.JOURNAL_SOCKET", made.path)
    yield made
    made.go()


@pytest.fixture
def opened(monkeypatch):
    """Logs that are closed after the test, and leave the test's own streams and hooks alone."""
    made: list[Logs] = []
    monkeypatch.setattr(logs, "PRINTED", ())
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logs.threading, "excepthook", logs.threading.excepthook)
    level = logging.getLogger().level

    def opened(settings, *, foreground=False) -> Logs:
        log = Logs(foreground=foreground)
        made.append(log)
        log.open(settings)
        return log

    yield opened
    for log in made:
        log.close()
    logging.captureWarnings(False)
    logging.getLogger().setLevel(level)


def test_text_lines_begin_with_time_and_level(opened, settings):
    log = opened(settings)

    log.logger.info("one\ntwo")
    log.logger.debug("not shown")
    logging.getLogger("myapp").warning("of a task", extra=about(replace(CLAIM, client="Müller & Co")))

    lines = settings.log_file.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        "INFO taskserver: one",
        "   two",
        'WARNING myapp [job=4711 run=12 task=invoices.create client="Müller & Co"]: of a task',
    ]
    assert lines[0][:2] == "20"
    assert settings.log_file.stat().st_mode & 0o777 == 0o640


def test_json_lines_hold_what_is_needed_to_search_them(opened, settings):
    settings.log_format, settings.debug = "json", True
    log = opened(settings)

    try:
        raise ValueError("a bug")
    except ValueError:
        log.logger.exception("it %s", "failed", extra=about(CLAIM))
    log.logger.debug("a detail")

    first, second = [json.loads(line) for line in settings.log_file.read_text().splitlines()]
    assert (first["level"], first["logger"], first["message"]) == ("error", "taskserver", "it failed")
    assert first["at"].endswith("Z")
    about_run = [first[key] for key in ("node", "job", "run", "task", "client")]
    assert about_run == ["erp1", 4711, 12, "invoices.create", "acme"]
    assert "ValueError: a bug" in first["traceback"]
    assert second["level"] == "debug"
    assert set(second) == {"at", "level", "logger", "node", "message"}


def test_a_rotated_log_is_opened_anew(opened, settings):
    log = opened(settings)
    log.logger.info("before")
    settings.log_file.rename(settings.log_file.with_suffix(".1"))

    log.reopen(settings)
    log.logger.info("after")

    assert "before" not in settings.log_file.read_text()
    assert "after" in settings.log_file.read_text()


def test_a_log_that_cannot_be_reopened_stays(opened, settings, tmp_path):
    log = opened(settings)
    elsewhere = SimpleNamespace(**{**vars(settings), "log_file": tmp_path / "missing" / "x.log"})

    log.reopen(elsewhere)
    log.logger.info("still here")

    assert "the log stays as it is" in settings.log_file.read_text()
    assert "still here" in settings.log_file.read_text()


def test_in_the_foreground_it_goes_to_standard_error(opened, settings, monkeypatch, capfd):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log = opened(settings, foreground=True)

    log.logger.warning("seen")

    assert "WARNING taskserver: seen" in capfd.readouterr().err
    assert not settings.log_file.exists()


@pytest.fixture
def under_systemd(monkeypatch, capfd):
    """Standard error is the journal's stream, as systemd says it."""
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    return capfd


def test_the_journals_stream_gets_priorities_instead_of_times(opened, settings, under_systemd):
    log = opened(settings, foreground=True)

    log.logger.error("bad\nworse")

    assert under_systemd.readouterr().err == "<3>taskserver: bad\n<3>    worse\n"


@pytest.mark.parametrize("log_format", ["auto", "journal"])
def test_started_by_systemd_it_goes_to_the_journal_with_fields(
    opened, settings, under_systemd, journal, monkeypatch, log_format
):
    settings.log_format = log_format
    log = opened(settings, foreground=True)
    monkeypatch.delenv("JOURNAL_STREAM")  # as a change of the user may do

    log.reopen(settings)
    log.logger.error("bad", extra=about(CLAIM))

    entry = journal.entry()
    assert (entry["MESSAGE"], entry["JOB"], entry["NODE"]) == ("bad", "4711", "erp1")
    assert under_systemd.readouterr().err == ""
    assert not settings.log_file.exists()


def test_where_the_journals_socket_is_out_of_reach_its_stream_gets_the_lines(
    opened, settings, under_systemd, monkeypatch, tmp_path
):
    monkeypatch.setattr("taskserver.daemon.logs.journal.JOURNAL_SOCKET", tmp_path / "missing")
    settings.log_format = "auto"
    log = opened(settings, foreground=True)

    log.logger.error("bad")

    assert under_systemd.readouterr().err == "<3>taskserver: bad\n"


@pytest.mark.parametrize("foreground", [False, True])
def test_syslog_is_used_in_the_background_and_in_the_foreground(
    opened, settings, monkeypatch, tmp_path, foreground
):
    syslog = FakeSyslog(tmp_path / "log")
    monkeypatch.setattr("taskserver.daemon.logs.syslog.SYSLOG_SOCKET", syslog.path)
    settings.log_format, settings.log_file = "syslog", None
    log = opened(settings, foreground=foreground)

    log.logger.error("bad")

    assert syslog.messages(1)[0].endswith("ERROR taskserver: bad")
    syslog.go()


def test_auto_in_the_background_is_text_in_the_file(opened, settings, under_systemd, journal):
    settings.log_format = "auto"
    log = opened(settings)

    log.logger.error("bad")

    assert "ERROR taskserver: bad" in settings.log_file.read_text()
    assert journal.entries() == []


def test_without_syslog_or_journal_it_says_so(settings, monkeypatch, tmp_path):
    monkeypatch.setattr("taskserver.daemon.logs.syslog.SYSLOG_SOCKET", tmp_path / "log")
    monkeypatch.setattr("taskserver.daemon.logs.journal.JOURNAL_SOCKET", tmp_path / "socket")

    for settings.log_format in ("syslog", "journal"):
        with pytest.raises(LogRefused, match="log_format"):
            Logs(foreground=False).open(settings)


def test_from_another_log_to_the_next_nothing_is_forgotten(opened, settings, tmp_path):
    log = opened(settings)
    log._handler.lost = 3

    settings.log_file = tmp_path / "other.log"
    log.reopen(settings)
    log.logger.info("after")

    assert "3 log lines could not be written" in settings.log_file.read_text()


def test_the_tail_of_a_log(tmp_path):
    (tmp_path / "x.log").write_text("".join(f"line {number}\n" for number in range(5000)))

    assert logs.tail(tmp_path / "x.log", lines=2) == ["line 4998", "line 4999"]
    assert logs.tail(tmp_path / "missing") == []
    assert logs.tail(None) == []


def test_the_tail_is_that_of_a_plain_file_only(tmp_path):
    (tmp_path / "target").write_text("a secret")
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "fifo")

    assert logs.tail(tmp_path / "link") == logs.tail(tmp_path / "fifo") == []
