"""SQLite opens whatever bears the name: before that, links and their like are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskserver.database import Database
from taskserver.database.errors import FileRefused
from taskserver.store import Store

PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda place, victim: place.symlink_to(victim),
    "dangling link": lambda place, victim: place.symlink_to(victim.with_name("nowhere")),
    "hard link": lambda place, victim: place.hardlink_to(victim),
    "fifo": lambda place, victim: os.mkfifo(place),
    "folder": lambda place, victim: place.mkdir(),
}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    victim = tmp_path / "elsewhere" / "victim"
    victim.parent.mkdir()
    victim.write_text("precious")
    return victim


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_what_lies_beside_the_database_is_plain_or_refused(
    sqlite_file: Path, victim: Path, suffix: str, plant: str
) -> None:
    place = sqlite_file.with_name(sqlite_file.name + suffix)
    place.unlink(missing_ok=True)
    PLANTS[plant](place, victim)

    with pytest.raises(FileRefused, match=place.name) as refused:
        Store.open(f"sqlite:///{sqlite_file}")

    assert refused.value.exit_code == 4
    assert victim.read_text() == "precious"
    assert list(victim.parent.iterdir()) == [victim]


@pytest.mark.parametrize("plant", ["hard link", "fifo"])
def test_so_is_the_database_itself(tmp_path: Path, victim: Path, plant: str) -> None:
    place = tmp_path / "x.sqlite"
    PLANTS[plant](place, victim)

    with pytest.raises(FileRefused, match=place.name):
        Store.create_or_upgrade(f"sqlite:///{place}")

    assert victim.read_text() == "precious"


def test_a_link_to_a_database_is_followed_to_what_lies_beside_its_target(
    sqlite_file: Path, victim: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(sqlite_file)
    database = Database(f"sqlite:///{link}")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar() == 0
    database.close()
    place = sqlite_file.with_name(sqlite_file.name + "-wal")
    place.unlink(missing_ok=True)
    place.symlink_to(victim)

    with pytest.raises(FileRefused, match=place.name):
        Store.open(f"sqlite:///{link}")
