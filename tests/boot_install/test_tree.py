"""Writing as root below a prefix: nothing leads out of it, and no link that somebody has planted misleads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskserver.boot.tree import PlaceForbidden, PlaceRefused, Tree

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can plant links of other users")


@pytest.fixture
def tree(tmp_path) -> Tree:
    (tmp_path / "prefix").mkdir()
    return Tree(tmp_path / "prefix")


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def plant(link: Path, target: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)


def test_a_file_is_written_whole_with_its_mode(tree):
    os.umask(os.umask(0o077))
    tree.make_folder(Path("/etc"))

    tree.write(Path("/etc/x"), b"text", 0o640)

    assert (tree.prefix / "etc/x").read_bytes() == b"text"
    assert (tree.prefix / "etc/x").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tree.prefix / "etc") == ["x"]  # noqa: PTH208


def test_a_write_that_fails_leaves_what_was_there(tree, monkeypatch):
    tree.write(Path("/x"), b"before", 0o644)
    monkeypatch.setattr("os.fsync", _no_space)

    with pytest.raises(PlaceRefused, match="No space left"):
        tree.write(Path("/x"), b"after", 0o644)

    assert (tree.prefix / "x").read_bytes() == b"before"
    assert os.listdir(tree.prefix) == ["x"]  # noqa: PTH208


@as_root
def test_a_planted_folder_link_is_refused(tree, outside):
    plant(tree.prefix / "etc", str(outside))

    for act in (
        lambda: tree.write(Path("/etc/x"), b"", 0o644),
        lambda: tree.read(Path("/etc/x")),
        lambda: tree.remove(Path("/etc/x")),
        lambda: tree.make_folder(Path("/etc/x")),
    ):
        with pytest.raises(PlaceRefused, match="symbolic link of another user"):
            act()

    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_the_file_is_replaced_not_followed(tree, outside):
    (outside / "victim").write_text("safe")
    (tree.prefix / "x").symlink_to(outside / "victim")

    tree.write(Path("/x"), b"new", 0o644)

    assert (outside / "victim").read_text() == "safe"
    assert not (tree.prefix / "x").is_symlink()


def test_a_link_in_the_place_of_the_file_is_not_read(tree, outside):
    (outside / "secret").write_text("secret")
    (tree.prefix / "x").symlink_to(outside / "secret")

    with pytest.raises(PlaceRefused):
        tree.read(Path("/x"))


def test_an_absolute_link_of_the_system_below_leads_to_a_place_below(tree, outside):
    (tree.prefix / "usr/lib").mkdir(parents=True)
    (tree.prefix / "usr/lib64").symlink_to("/usr/lib")

    tree.write(Path("/usr/lib64/x"), b"", 0o644)

    assert (tree.prefix / "usr/lib/x").exists()


def test_a_link_that_climbs_stays_below(tree, outside):
    (tree.prefix / "up").symlink_to("../../../..")

    tree.write(Path("/up/x"), b"", 0o644)

    assert (tree.prefix / "x").exists()
    assert list(outside.iterdir()) == []


def test_links_in_a_circle_are_told(tree):
    (tree.prefix / "a").symlink_to("b")
    (tree.prefix / "b").symlink_to("a")

    with pytest.raises(PlaceRefused) as refused:
        tree.read(Path("/a/x"))

    assert "too many lead there" in refused.value.message()


def test_what_is_no_plain_file_is_not_read(tree):
    os.mkfifo(tree.prefix / "pipe")
    (tree.prefix / "folder").mkdir()

    for name in ("/pipe", "/folder"):
        with pytest.raises(PlaceRefused):
            tree.read(Path(name))


@as_root
def test_a_closed_folder_is_not_allowed(tree):
    (tree.prefix / "closed").mkdir(mode=0o700)

    os.seteuid(NOBODY)
    try:
        with pytest.raises(PlaceForbidden):
            tree.write(Path("/closed/x"), b"", 0o644)
    finally:
        os.seteuid(0)


def test_the_folders_that_are_missing_are_named_from_above(tree):
    (tree.prefix / "usr").mkdir()

    missing = tree.missing_folders(Path("/usr/local/share"))

    assert missing == [Path("/usr/local"), Path("/usr/local/share")]


def test_a_folder_is_removed_only_when_it_is_empty(tree):
    (tree.prefix / "a/b").mkdir(parents=True)

    assert not tree.remove_folder(Path("/a"))
    assert tree.remove_folder(Path("/a/b"))
    assert tree.remove_folder(Path("/a"))
    assert tree.remove_folder(Path("/a"))


def _no_space(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")
