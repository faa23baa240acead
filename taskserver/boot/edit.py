"""One line in a configuration file of a person's: `run_as`, put in and taken out without touching anything else.

Whether nothing else was touched is not hoped for but compared: both texts are read, and must say the same but for
this key. Knows how a TOML and an INI file begin [task_server], and nothing more of them.
"""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from taskserver.boot.record import checksum
from taskserver.boot.tree import Tree

_HEADER = re.compile(r"^[ \t]*\[[ \t]*task_server[ \t]*\][ \t]*(#.*)?$", re.MULTILINE)
_SAMPLE = re.compile(r'^# run_as = ""$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` gives way to `after` in the file; each is a line, or several."""

    file: Path
    before: str
    after: str
    old: bytes
    new: bytes

    def record(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "before": self.before,
            "after": self.after,
            "old": checksum(self.old),
            "new": checksum(self.new),
        }

    def apply(self) -> None:
        _replace(self.file, self.new)


def setting_run_as(file: Path, user: str) -> Edit | None:
    """The change that makes `file` say run_as; None where it can't be made without touching the rest."""
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        return None
    old = file.read_bytes()
    try:
        text = old.decode("utf-8")
    except UnicodeDecodeError:
        return None
    is_toml = file.suffix == ".toml"
    line = f'run_as = "{user}"' if is_toml else f"run_as = {user}"
    for place in (_SAMPLE, _HEADER):
        found = place.search(text)
        if found is None:
            continue
        before = found[0]
        after = line if place is _SAMPLE else f"{before}\n{line}"
        new = (text[: found.start()] + after + text[found.end() :]).encode()
        if _says_the_same(old, new, user, is_toml=is_toml):
            return Edit(file, before, after, old, new)
    return None


def undo(record: dict[str, Any]) -> None:
    """Takes a recorded change back, if that can be done."""
    if isinstance(content := undone(record), bytes):
        _replace(Path(record["file"]), content)


def undone(record: dict[str, Any]) -> bytes | Literal[False] | None:
    """The contents before a recorded change; None if there is nothing to undo, False if somebody changed more."""
    file = Path(record["file"])
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    if checksum(content) == record["old"]:
        return None
    text = content.replace(record["after"].encode(), record["before"].encode(), 1)
    return text if checksum(content) == record["new"] and checksum(text) == record["old"] else False


def _says_the_same(old: bytes, new: bytes, user: str, *, is_toml: bool) -> bool:
    if is_toml:
        try:
            before, after = tomllib.loads(old.decode()), tomllib.loads(new.decode())
        except tomllib.TOMLDecodeError:
            return False
    else:
        before, after = _ini(old), _ini(new)
    given = after.get("task_server", {}).pop("run_as", None)
    before.get("task_server", {}).pop("run_as", None)
    return given == user and before == after


def _ini(content: bytes) -> dict[str, dict[str, str]]:
    from taskserver.config.ini_reader import read_sections

    found: dict[str, dict[str, str]] = {}
    for section in read_sections(content):
        found.setdefault(section.name, {}).update({entry.key: entry.value for entry in section.entries})
    return found


def _replace(file: Path, content: bytes) -> None:
    """The file keeps its owner and its mode."""
    status = file.lstat()
    Tree(Path("/")).write(file.absolute(), content, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
