"""The log in a file: whatever is done to the file, the work goes on, and what was lost is said."""

from __future__ import annotations

import logging
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from log_readers import record

from taskserver.daemon import logs
from taskserver.daemon.folders import LogRefused
from taskserver.daemon.logs import file
from taskserver.daemon.logs.file import FileHandler


def plain(record: logging.LogRecord) -> str:
    return record.getMessage()


@pytest.fixture
def handler(tmp_path, monkeypatch):
    """Looks at its place with each line, not once a second."""
    monkeypatch.setattr(file, "LOOK_SECONDS", 0.0)
    (tmp_path / "logs").mkdir()
    made = FileHandler(tmp_path / "logs" / "x.log", plain)
    yield made
    made.close()


@pytest.fixture
def unwritable(handler):
    """Within it, nothing can be made in the log's folder, not even by root: a file is in its place."""
    folder, hidden = handler.path.parent, handler.path.parent.with_name("hidden")

    @contextmanager
    def unwritable():
        folder.rename(hidden)
        folder.touch()
        yield
        folder.unlink()
        hidden.rename(folder)

    return unwritable


PLANTS = [
    pytest.param(lambda path: path.symlink_to("/etc/passwd"), id="symbolic link"),
    pytest.param(lambda path: path.hardlink_to(_elsewhere(path)), id="hard link"),
    pytest.param(os.mkfifo, id="FIFO"),
    pytest.param(lambda path: path.mkdir(), id="folder"),
]
"""What somebody may have put in the place of the log."""


def _elsewhere(path: Path) -> Path:
    other = path.with_name("other")
    other.touch()
    return other


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_moved_file_is_opened_anew_without_a_reload(handler):
    handler.handle(record("before"))
    handler.path.rename(handler.path.with_suffix(".1"))

    handler.handle(record("after"))

    assert lines(handler.path.with_suffix(".1")) == ["before"]
    assert lines(handler.path) == ["after"]


def test_the_looks_are_a_second_apart(tmp_path):
    handler = FileHandler(tmp_path / "x.log", plain)
    handler.path.rename(tmp_path / "x.log.1")

    for _ in range(100):
        handler.handle(record("x"))

    assert len(lines(tmp_path / "x.log.1")) == 100
    handler.close()


def test_a_removed_file_is_made_again(handler):
    handler.handle(record("before"))
    handler.path.unlink()

    handler.handle(record("after"))

    assert lines(handler.path) == ["after"]
    assert handler.path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_copied_and_truncated_is_written_from_its_beginning(handler):
    handler.handle(record("before"))
    os.truncate(handler.path, 0)

    handler.handle(record("after"))

    assert handler.path.read_bytes() == b"after\n"


def test_real_logrotate_finds_every_line_once(handler, tmp_path):
    if not Path("/usr/sbin/logrotate").exists():
        pytest.skip("logrotate is not installed")
    tmp_path.chmod(0o755)
    rules = tmp_path / "rules"

    for number, way in enumerate(["create 0640", "copytruncate", "nocreate"]):
        rules.write_text(f"{handler.path} {{\n rotate 9\n size 1\n {way}\n su root root\n}}\n")
        handler.handle(record("line %d", number))
        subprocess.run(["/usr/sbin/logrotate", "-s", tmp_path / "state", rules], check=True)
    handler.handle(record("line 3"))

    found = [line for place in handler.path.parent.iterdir() for line in lines(place)]
    assert sorted(found) == ["line 0", "line 1", "line 2", "line 3"]


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_in_its_place_is_left_alone(handler, plant):
    handler.handle(record("before"))
    handler.path.rename(handler.path.with_suffix(".1"))
    plant(handler.path)

    handler.handle(record("goes on"))

    assert lines(handler.path.with_suffix(".1")) == ["before", "goes on"]


def test_a_folder_that_has_become_unwritable_stops_nothing_and_what_was_lost_is_said(handler, unwritable):
    handler.path.unlink()
    with unwritable():
        for _ in range(3):
            handler.handle(record("nobody sees it"))

    handler.handle(record("after"))

    said, after = lines(handler.path)
    assert said.startswith("3 log lines could not be written: it was removed, and the log file")
    assert after == "after"


def test_a_full_disk_loses_lines_and_says_how_many(handler):
    good = handler.descriptor
    handler._next_look = float("inf")
    handler.descriptor = os.open("/dev/full", os.O_WRONLY)
    for _ in range(3):
        handler.handle(record("line"))
    os.close(handler.descriptor)
    handler.descriptor = good

    handler.handle(record("line"))
    handler.handle(record("line"))

    assert lines(handler.path) == ["3 log lines could not be written: No space left on device", "line", "line"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a disk that is full")
def test_a_disk_that_fills_up_tears_no_line_that_follows(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], check=True)
    try:
        handler = FileHandler(small / "x.log", plain)
        ballast = small / "ballast"
        ballast.write_bytes(b"x" * 8192)
        for number in range(100):
            handler.handle(record(f"{number:03} {'x' * 990}"))
        written = handler.path.read_text()
        ballast.unlink()

        handler.handle(record("after"))
        handler.close()

        *whole, torn = written.split("\n")
        assert torn and len(torn) < 994, "the last line did not fit"
        after = handler.path.read_text().removeprefix(written).splitlines()
        assert after[0] == ""
        assert after[1].startswith(f"{100 - len(whole)} log lines could not be written")
        assert after[2] == "after"
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_was_lost_is_said_at_the_latest_when_the_log_is_closed(handler):
    handler.lost, handler._reason = 2, "No space left on device"

    handler.close()

    assert lines(handler.path) == ["2 log lines could not be written: No space left on device"]


@pytest.mark.parametrize("plant", PLANTS)
def test_only_a_plain_file_is_written(tmp_path, plant):
    plant(tmp_path / "x.log")

    with pytest.raises(LogRefused, match=r"x\.log") as refused:
        logs.open_log(tmp_path / "x.log")

    assert refused.value.exit_code == 6


def test_streams_follow_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "LOOK_SECONDS", 0.0)
    printing = os.open(os.devnull, os.O_WRONLY)
    handler = FileHandler(tmp_path / "x.log", plain, streams=(printing,))
    handler.path.rename(tmp_path / "x.log.1")
    handler.handle(record("moved"))

    os.write(printing, b"printed by a library\n")

    assert lines(handler.path) == ["moved", "printed by a library"]
    handler.close()
    os.close(printing)
