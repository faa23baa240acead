"""The longer drain time that `stop --timeout` leaves for the daemon, and who is not believed."""

from __future__ import annotations

import os
import time

import pytest

from taskserver.daemon import process, stop_request
from taskserver.daemon.stop_request import NAME, RequestForbidden, RequestNotLeft

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the powers of root over files of other users")


def words(*, pid=None, ticks=None, age=0.0, seconds="90") -> str:
    pid = os.getpid() if pid is None else pid
    ticks = process.start_ticks(os.getpid()) if ticks is None else ticks
    return f"{pid} {ticks} {time.monotonic() - age} {seconds}\n"


def lay(folder, text: str) -> None:
    (folder / NAME).write_text(text)
    (folder / NAME).chmod(0o644)


def test_what_is_left_is_taken_once(tmp_path):
    with stop_request.left(tmp_path, os.getpid(), 90.5):
        taken = stop_request.take(tmp_path)
        again = stop_request.take(tmp_path)

    assert (taken, again) == (90.5, None)
    assert list(tmp_path.iterdir()) == []


def test_what_the_daemon_does_not_take_is_taken_back(tmp_path):
    with stop_request.left(tmp_path, os.getpid(), 90):
        assert stop_request.lies(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"pid": 1}, {"ticks": 1}, {"age": 31}, {"age": -5}]
    + [{"seconds": seconds} for seconds in ("-1", "nan", "inf", "604801")],
    ids=str,
)
def test_old_foreign_and_impossible_requests_are_removed_and_ignored(tmp_path, wrong):
    lay(tmp_path, words(**wrong))

    assert stop_request.take(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "90\n", "é\n", "x" * 5000])
def test_what_is_no_request_is_removed_and_ignored(tmp_path, text):
    lay(tmp_path, text)

    assert stop_request.take(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_words_of_these_tests_would_be_believed(tmp_path):
    lay(tmp_path, words(age=20))

    assert stop_request.take(tmp_path) == 90


def test_a_file_that_others_may_write_is_not_believed(tmp_path):
    lay(tmp_path, words())
    (tmp_path / NAME).chmod(0o664)

    assert stop_request.take(tmp_path) is None


def test_neither_links_nor_pipes_nor_second_names_are_believed(tmp_path):
    folder = tmp_path / "users"
    folder.mkdir()
    lay(tmp_path, words())

    def linked():
        (folder / NAME).symlink_to(tmp_path / NAME)

    def hard_linked():
        os.link(tmp_path / NAME, folder / NAME)

    def pipe():
        os.mkfifo(folder / NAME)

    for plant in (linked, hard_linked, pipe):
        plant()
        assert stop_request.take(folder) is None
        assert list(folder.iterdir()) == []
    assert (tmp_path / NAME).read_text().endswith(" 90\n")


@as_root
def test_a_request_of_another_user_is_not_believed(tmp_path):
    lay(tmp_path, words())
    os.chown(tmp_path / NAME, 65534, 65534)

    assert stop_request.take(tmp_path) is None


def test_a_planted_link_is_replaced_and_what_it_leads_to_left_alone(tmp_path):
    folder, treasure = tmp_path / "users", tmp_path / "treasure"
    folder.mkdir()
    treasure.write_text("untouched")
    (folder / NAME).symlink_to(treasure)

    with stop_request.left(folder, os.getpid(), 90):
        assert stop_request.take(folder) == 90

    assert treasure.read_text() == "untouched"


def test_a_planted_folder_is_a_reason_to_signal_nothing(tmp_path):
    (tmp_path / NAME).mkdir()

    with pytest.raises(RequestNotLeft, match="nothing was signalled"), stop_request.left(tmp_path, os.getpid(), 9):
        pytest.fail("the block was entered")


@as_root
def test_root_leaves_nothing_in_a_folder_of_somebody_else_than_the_daemon(tmp_path):
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(RequestForbidden), stop_request.left(tmp_path, os.getpid(), 90):
        pytest.fail("the block was entered")

    assert list(tmp_path.iterdir()) == []
