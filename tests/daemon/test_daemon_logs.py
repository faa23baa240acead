"""The log: its forms, its rotation, and that it never stops the work."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from types import SimpleNamespace

import pytest

from taskserver.daemon import logs
from taskserver.daemon.folders import LogRefused
from taskserver.daemon.logs import FileHandler, Logs


@pytest.fixture
def settings(tmp_path):
    return SimpleNamespace(log_file=tmp_path / "x.log", log_format="text", debug=False)


@pytest.fixture
def opened(monkeypatch):
    """Logs that are closed after the test, and leave the test's own streams and hooks alone."""
    made: list[Logs] = []
    monkeypatch.setattr(os, "dup2", lambda *numbers: None)
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
    logging.getLogger("myapp").warning("of a task")

    lines = settings.log_file.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        "INFO taskserver: one",
        "   two",
        "WARNING myapp: of a task",
    ]
    assert lines[0][:2] == "20"
    assert settings.log_file.stat().st_mode & 0o777 == 0o640


def test_json_lines_hold_what_is_needed_to_search_them(opened, settings):
    settings.log_format, settings.debug = "json", True
    log = opened(settings)

    try:
        raise ValueError("a bug")
    except ValueError:
        log.logger.exception("it %s", "failed")
    log.logger.debug("a detail")

    first, second = [json.loads(line) for line in settings.log_file.read_text().splitlines()]
    assert (first["level"], first["logger"], first["message"]) == ("error", "taskserver", "it failed")
    assert first["at"].endswith("Z")
    assert "ValueError: a bug" in first["traceback"]
    assert second["level"] == "debug"


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
    elsewhere = SimpleNamespace(log_file=tmp_path / "missing" / "x.log", log_format="text", debug=False)

    log.reopen(elsewhere)
    log.logger.info("still here")

    assert "the log stays as it is" in settings.log_file.read_text()
    assert "still here" in settings.log_file.read_text()


def test_a_full_disk_loses_lines_and_says_how_many(tmp_path, monkeypatch):
    handler = FileHandler(tmp_path / "x.log")
    handler.setFormatter(logging.Formatter("%(message)s"))
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "line", (), None)
    good = handler.descriptor

    handler.descriptor = os.open("/dev/full", os.O_WRONLY)
    for _ in range(3):
        handler.emit(record)
    os.close(handler.descriptor)
    handler.descriptor = good
    handler.emit(record)
    handler.emit(record)

    assert (tmp_path / "x.log").read_text().splitlines() == [
        "3 log lines could not be written: No space left on device",
        "line",
        "line",
    ]
    handler.close()


def test_a_record_with_wrong_arguments_is_logged_all_the_same(tmp_path):
    handler = FileHandler(tmp_path / "x.log")

    handler.emit(logging.LogRecord("x", logging.INFO, __file__, 1, "%d", ("no number",), None))
    handler.emit(logging.LogRecord("x", logging.INFO, __file__, 1, "lone \udc80 surrogate", (), None))

    assert "no number" in (tmp_path / "x.log").read_text()
    assert "lone \\udc80 surrogate" in (tmp_path / "x.log").read_text()
    handler.close()


@pytest.mark.parametrize(
    "plant", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, lambda path: path.mkdir()]
)
def test_only_a_plain_file_is_written(tmp_path, plant):
    plant(tmp_path / "x.log")

    with pytest.raises(LogRefused, match=r"x\.log") as refused:
        logs.open_log(tmp_path / "x.log")

    assert refused.value.exit_code == 6


def test_in_the_foreground_it_goes_to_standard_error(opened, settings, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log = opened(settings, foreground=True)

    log.logger.warning("seen")

    assert "WARNING taskserver: seen" in sys.stderr.getvalue()
    assert not settings.log_file.exists()


def test_the_journal_gets_priorities_instead_of_times(opened, settings, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    log = opened(settings, foreground=True)

    log.logger.error("bad\nworse")

    assert sys.stderr.getvalue() == "<3>taskserver: bad\n<3>worse\n"


def test_without_syslog_it_says_so(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(logs, "SYSLOG_SOCKET", str(tmp_path / "log"))
    settings.log_format = "syslog"

    with pytest.raises(LogRefused, match="log"):
        Logs(foreground=False).open(settings)


def test_the_tail_of_a_log(tmp_path):
    (tmp_path / "x.log").write_text("".join(f"line {number}\n" for number in range(5000)))

    assert logs.tail(tmp_path / "x.log", lines=2) == ["line 4998", "line 4999"]
    assert logs.tail(tmp_path / "missing") == []
    assert logs.tail(None) == []
