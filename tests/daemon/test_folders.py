"""What is made as root before its powers are given up, and what root refuses to touch."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from taskserver.daemon import folders, identity
from taskserver.daemon.folders import FolderRefused, LogRefused

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root prepares folders for another user")


@pytest.fixture
def nobody():
    return identity.resolve("nobody")


@pytest.fixture
def myself():
    return identity.resolve(None, allow_root=True)


def owner_and_mode(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, stat.S_IMODE(status.st_mode)


def test_missing_folders_are_made(tmp_path, myself):
    users_dir = tmp_path / "a" / "users"

    folders.prepare(myself, users_dir=users_dir, log_file=tmp_path / "logs" / "x.log")

    assert owner_and_mode(users_dir) == (os.getuid(), 0o750)
    assert (tmp_path / "logs").is_dir()


@as_root
def test_they_belong_to_the_daemons_user(tmp_path, nobody):
    users_dir, log = tmp_path / "users", tmp_path / "log" / "x.log"

    folders.prepare(nobody, users_dir=users_dir, log_file=log)
    folders.prepare(nobody, users_dir=users_dir, log_file=log)

    assert owner_and_mode(users_dir) == (nobody.uid, 0o750)
    assert owner_and_mode(log.parent) == (nobody.uid, 0o750)


@as_root
def test_a_log_in_a_folder_of_root_is_made_for_the_user(tmp_path, nobody):
    (tmp_path / "other.log").write_text("")
    log = tmp_path / "x.log"

    folders.prepare(nobody, users_dir=tmp_path / "users", log_file=log)

    assert owner_and_mode(log) == (nobody.uid, 0o640)
    assert tmp_path.stat().st_uid == 0
    assert (tmp_path / "other.log").stat().st_uid == 0


@as_root
def test_an_empty_folder_of_root_is_handed_over_and_a_full_one_is_not(tmp_path, nobody):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("")

    folders.prepare(nobody, users_dir=tmp_path / "empty", log_file=None)
    with pytest.raises(FolderRefused, match="chown -R nobody") as refused:
        folders.prepare(nobody, users_dir=tmp_path / "full", log_file=None)

    assert (tmp_path / "empty").stat().st_uid == nobody.uid
    assert (tmp_path / "full").stat().st_uid == 0
    assert refused.value.exit_code == 6


@as_root
def test_what_a_link_leads_to_is_not_given_away(tmp_path, nobody):
    (tmp_path / "empty").mkdir()
    planted = tmp_path / "users"
    planted.symlink_to(tmp_path / "empty")
    os.lchown(planted, nobody.uid, nobody.gid)

    with pytest.raises(FolderRefused, match="symbolic link"):
        folders.prepare(nobody, users_dir=planted, log_file=None)
    os.lchown(planted, 0, 0)
    with pytest.raises(FolderRefused, match="belongs to"):
        folders.prepare(nobody, users_dir=planted, log_file=None)

    assert (tmp_path / "empty").stat().st_uid == 0


@as_root
def test_an_existing_log_is_neither_followed_nor_taken_over(tmp_path, nobody):
    precious = tmp_path / "precious"
    precious.write_text("secret")
    log = tmp_path / "x.log"
    log.symlink_to(precious)

    folders.prepare(nobody, users_dir=tmp_path / "users", log_file=log)

    assert precious.stat().st_uid == 0
    assert precious.read_text() == "secret"


def test_a_folder_open_to_everybody_is_refused(tmp_path, myself):
    (tmp_path / "users").mkdir()
    (tmp_path / "users").chmod(0o777)

    with pytest.raises(FolderRefused, match="o-w"):
        folders.prepare(myself, users_dir=tmp_path / "users", log_file=None)


def test_a_file_in_its_place_is_refused(tmp_path, myself):
    (tmp_path / "users").write_text("")

    with pytest.raises(FolderRefused, match="users_dir"):
        folders.prepare(myself, users_dir=tmp_path / "users", log_file=None)
    with pytest.raises(FolderRefused, match="users_dir"):
        folders.prepare(myself, users_dir=tmp_path / "users" / "below", log_file=None)


def test_the_log_folder_is_named_if_it_cannot_be_made(tmp_path, myself):
    (tmp_path / "file").write_text("")

    with pytest.raises((FolderRefused, LogRefused), match="log_file"):
        folders.prepare(myself, users_dir=tmp_path / "users", log_file=tmp_path / "file" / "x.log")


def test_what_would_be_refused_is_told_without_making_anything(tmp_path, myself):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").write_text("")

    def told(users_dir: Path) -> str:
        return " ".join(
            error.message()
            for error in folders.refusals(myself, users_dir=users_dir, log_file=tmp_path / "l" / "x")
        )

    assert told(tmp_path / "new" / "users") == ""
    assert "o-w" in told(tmp_path / "open")
    assert told(tmp_path / "file").count("it is not a folder") == 1
    assert "file is not a folder" in told(tmp_path / "file" / "users")
    assert sorted(place.name for place in tmp_path.iterdir()) == ["file", "open"]


@as_root
def test_what_is_told_beforehand_is_what_is_refused(tmp_path, nobody):
    full = tmp_path / "users of it"
    full.mkdir()
    (full / "precious").write_text("")

    (told,) = folders.refusals(nobody, users_dir=full, log_file=None)
    with pytest.raises(FolderRefused) as refused:
        folders.prepare(nobody, users_dir=full, log_file=None)
    full.joinpath("precious").unlink()

    assert told.message() == refused.value.message()
    assert "the user root;" in told.message()
    assert f"`task_server stop`, then `chown -R nobody '{full}'`, then `task_server start`" in told.message()
    assert folders.refusals(nobody, users_dir=full, log_file=None) == []


@pytest.fixture
def theirs():
    """A folder of nobody's in one that everybody can pass."""
    folder = Path(tempfile.mkdtemp(prefix="swapped", dir="/var/tmp"))
    folder.chmod(0o755)
    made = folder / "theirs"
    (made / "inner").mkdir(parents=True)
    for place in (made, made / "inner"):
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
    yield made
    shutil.rmtree(folder)


@as_root
def test_a_folder_swapped_between_look_and_action_leads_root_nowhere(theirs, nobody, monkeypatch):
    """Its owner puts a link in the place of a folder on the way, right after root has found none."""
    target = theirs.parent / "roots"
    target.mkdir(mode=0o755)
    look = folders._refuse_planted_links

    def look_and_be_late(path: Path, key: str) -> None:
        look(path, key)
        (theirs / "inner").rename(theirs / "aside")
        (theirs / "inner").symlink_to(target)

    monkeypatch.setattr(folders, "_refuse_planted_links", look_and_be_late)
    with pytest.raises(folders.FolderForbidden):
        folders.prepare(nobody, users_dir=theirs / "inner" / "users", log_file=None)

    assert list(target.iterdir()) == []


@as_root
def test_root_acts_as_the_user_where_that_user_could_lay_links(theirs, nobody):
    made = theirs / "inner" / "users"

    folders.prepare(nobody, users_dir=made, log_file=None)

    assert owner_and_mode(made) == (nobody.uid, 0o750)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, os.getgid(), os.getgroups())
    theirs.parent.chmod(0o777)
    with pytest.raises(FolderRefused, match="everybody can change it"):
        folders.prepare(nobody, users_dir=made, log_file=None)


@as_root
@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_modes_are_the_same_whatever_the_callers_umask(tmp_path, nobody, umask):
    before = os.umask(umask)
    try:
        folders.prepare(nobody, users_dir=tmp_path / "a" / "users", log_file=tmp_path / "b" / "c" / "x.log")
        kept = os.umask(umask)
    finally:
        os.umask(before)

    assert kept == umask
    for path, mode in {"a": 0o755, "a/users": 0o750, "b": 0o755, "b/c": 0o750}.items():
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == mode, path


@as_root
def test_a_users_directory_that_a_foreign_group_may_write_is_refused(tmp_path, nobody):
    users = tmp_path / "users"
    users.mkdir()
    os.chown(users, nobody.uid, 1)
    users.chmod(0o770)

    with pytest.raises(FolderRefused, match="chmod -R g-w"):
        folders.prepare(nobody, users_dir=users, log_file=None)
