from __future__ import annotations

import os

import pytest

from taskserver.server.opening import DatabaseInUse, FolderMissing, LockRefused, lock_database_file


def test_one_file_has_one_lock_by_whatever_link_it_is_reached(tmp_path):
    file = tmp_path / "jobs.sqlite"
    file.touch()
    (tmp_path / "link.sqlite").symlink_to(file)
    held = lock_database_file(f"sqlite:///{file}")
    assert held is not None

    with pytest.raises(DatabaseInUse):
        lock_database_file(f"sqlite:///{tmp_path}/link.sqlite")

    os.close(held)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FolderMissing, match="none does not exist") as caught:
        lock_database_file(f"sqlite:///{tmp_path}/none/jobs.sqlite")

    assert caught.value.exit_code == 6


def test_a_lock_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "jobs.sqlite.lock").mkdir()

    with pytest.raises(LockRefused, match=r"jobs\.sqlite\.lock") as caught:
        lock_database_file(f"sqlite:///{tmp_path}/jobs.sqlite")

    assert caught.value.exit_code == 6


def test_a_server_has_no_lock_file():
    assert lock_database_file("postgresql://127.0.0.1/jobs") is None


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (os.mkfifo, "it is not a plain file"),
        (os.mkdir, "it is a folder"),
        (lambda place: place.symlink_to("/etc/hostname"), "it is a symbolic link"),
        (lambda place: place.symlink_to("nothing"), "it is a symbolic link"),
    ],
    ids=["fifo", "folder", "link", "dangling"],
)
def test_a_lock_that_is_no_plain_file_is_refused(tmp_path, put, reason):
    put(tmp_path / "jobs.sqlite.lock")

    with pytest.raises(LockRefused, match=reason):
        lock_database_file(f"sqlite:///{tmp_path}/jobs.sqlite")
