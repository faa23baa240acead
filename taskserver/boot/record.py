"""What an installation has made, on disk, so that exactly that can be taken back.

Written before each step, so that also one that was cut short is known. A file is known by the checksums that it
may have: the one that was written, and while it is being replaced the one before. Believed only as a file of root
(or of the caller) that nobody else may write: what is named here gets removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from taskserver.boot.systems import SYSTEMS
from taskserver.boot.tree import Tree
from taskserver.errors import TaskServerError
from taskserver.texts import mark

FOLDER = Path("/var/lib/taskserver-installed")
FORMAT = 1


class RecordRefused(TaskServerError):
    text = mark(
        "{path}, the record of what is installed, cannot be trusted: {reason}; look at it and remove it by hand"
    )


class OtherAtWork(TaskServerError):
    text = mark("somebody else is installing or uninstalling at this moment; call this again when that has ended")


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Record:
    """One installed service. Paths are those below the prefix."""

    name: str
    system: str
    files: dict[str, list[str]] = field(default_factory=dict)
    """Path -> the checksums that say that the file is as it was written."""
    links: dict[str, str] = field(default_factory=dict)
    """Path -> where the symbolic link points."""
    folders: list[str] = field(default_factory=list)
    """Folders that were made, each after the one that it lies in."""
    user: str | None = None
    """The system user that was made."""
    group_stays: int | None = None
    """The number of the user's group, if that was there before."""
    users_dir: str | None = None
    data: list[str] = field(default_factory=list)
    """Where the service keeps what it works with: its users directory, and its log where that is elsewhere."""
    given: dict[str, str] = field(default_factory=dict)
    """Empty folders of root's that were handed to the user -> owner, group and mode before, as "0 0 755"."""
    edit: dict[str, Any] | None = None
    """The change of the configuration file: `file`, `before`, `after` (lines), `old`, `new` (checksums)."""

    def is_own_file(self, path: Path, content: bytes) -> bool:
        return checksum(content) in self.files.get(str(path), ())


class Records:
    """The records below one prefix."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    @staticmethod
    def place(name: str) -> Path:
        return FOLDER / f"{name}.json"

    def read(self, name: str) -> Record | None:
        """The record of a service; None if there is none. Raises RecordRefused."""
        path = self.place(name)
        status = self.tree.status(path)
        if status is None:
            return None
        self._require_closed(path, status)
        try:
            values = json.loads(self.tree.read(path) or b"")
            if values.pop("format") != FORMAT:
                raise ValueError("it is of another release")
            return _checked(Record(**values), name)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordRefused(path=self.tree.shown(path), reason=error) from None

    def write(self, record: Record) -> None:
        content = json.dumps({"format": FORMAT, **asdict(record)}, indent=2, ensure_ascii=False) + "\n"
        self.tree.write(self.place(record.name), content.encode(), 0o644)

    def remove(self, name: str) -> None:
        self.tree.remove(self.place(name))

    def others(self, name: str) -> list[Record]:
        """The records of other services on the same machine: some files are for all of them."""
        names = [each.removesuffix(".json") for each in self.tree.names(FOLDER) if each.endswith(".json")]
        found = [self.read(each) for each in names if each != name and not each.startswith(".")]
        return [record for record in found if record is not None]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone at work below this prefix, as soon as the folder of the records is there. Raises OtherAtWork."""
        place = self.tree.shown(FOLDER)
        if self.tree.status(FOLDER) is None:
            yield
            return
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise OtherAtWork() from None
        finally:
            os.close(descriptor)

    def _require_closed(self, path: Path, status: os.stat_result) -> None:
        shown = self.tree.shown(path)
        if not stat.S_ISREG(status.st_mode):
            raise RecordRefused(path=shown, reason="it is not a plain file")
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise RecordRefused(path=shown, reason="others than root may write it")


def _checked(record: Record, name: str) -> Record:
    """The record, if it is one all through. Raises ValueError."""
    texts = [*record.files, *record.links, *record.links.values(), *record.folders, *record.data, record.system]
    texts += [*record.given, *record.given.values()]
    sums = [each for found in record.files.values() for each in found]
    if record.name != name or not all(isinstance(text, str) for text in (*texts, *sums)):
        raise ValueError("it is no record of this service")
    if record.system not in SYSTEMS or not all(
        isinstance(text, str | None) for text in (record.user, record.users_dir, *(record.edit or {}).values())
    ):
        raise ValueError("it is no record of this service")
    return record
