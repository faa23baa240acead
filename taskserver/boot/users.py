"""The system user of a service: what it takes to make one, and to take it back."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from taskserver.boot.tools import PATH, ToolMissing, find
from taskserver.boot.tree import Tree
from taskserver.daemon.identity import Identity
from taskserver.errors import UsageError
from taskserver.texts import mark, translate

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?")
_NO_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin")
_UNKNOWN = 2**32 - 2
"""A number that no user has."""


class NoUserName(UsageError):
    text = mark(
        "{name!r} is no name for a new system user: small letters, digits, _ and - alone, at most 31 of them"
    )


class Accounts:
    """The users and groups of the system in a tree: of the running one, or in the files of an image."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def exists(self, name: str) -> bool:
        return self._user(name) is not None

    def is_root(self, name: str) -> bool:
        """Whether it is root by this or any other name."""
        user = self._user(name)
        return name == "root" or (user is not None and user[0] == 0)

    def group_of(self, name: str) -> str:
        """The group of a user; one that is to be made gets a group of its own name."""
        user = self._user(name)
        return name if user is None else self._group_name(user[1]) or name

    def group_number(self, name: str) -> int | None:
        if self._tree.is_running_system:
            try:
                return grp.getgrnam(name).gr_gid
            except KeyError:
                return None
        return next((int(entry[2]) for entry in self._entries("group") if entry[0] == name), None)

    def making(self, name: str, home: Path) -> tuple[str, ...]:
        """The command that makes the user. Raises NoUserName."""
        if not _NAME.fullmatch(name):
            raise NoUserName(name=name)
        group = ("--user-group",) if self.group_number(name) is None else ("--gid", name)
        shell = next((path for path in _NO_SHELLS if self._tree.status(Path(path)) is not None), "/bin/false")
        words = ("--no-create-home", "--home-dir", str(home), "--shell", shell, "--comment", "Task server")
        return ("useradd", "--system", *group, *words, name)

    def _user(self, name: str) -> tuple[int, int] | None:
        """The numbers of a user and of its first group."""
        if self._tree.is_running_system:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                return None
            return entry.pw_uid, entry.pw_gid
        found = next((entry for entry in self._entries("passwd") if entry[0] == name), None)
        if found is None:
            return (0, 0) if name == "root" else None  # which a kernel knows without any file
        return int(found[2]), int(found[3])

    def _group_name(self, gid: int) -> str | None:
        if self._tree.is_running_system:
            try:
                return grp.getgrgid(gid).gr_name
            except KeyError:
                return None
        return next((entry[0] for entry in self._entries("group") if int(entry[2]) == gid), None)

    def _entries(self, file: str) -> Iterator[list[str]]:
        """The lines of /etc/passwd or /etc/group in the image, each with numbers where they belong."""
        content = self._tree.read(Path("/etc") / file) or b""
        numbers = slice(2, 4) if file == "passwd" else slice(2, 3)
        for line in content.decode("utf-8", "replace").splitlines():
            parts = line.split(":")
            if len(parts) >= 4 and all(part.isdecimal() for part in parts[numbers]):
                yield parts


def identity(name: str, home: Path) -> Identity:
    """The user as the kernel will see it; one that is still to be made owns nothing yet."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return Identity(name, _UNKNOWN, _UNKNOWN, (), str(home), "/bin/sh", changes=True)
    groups = tuple(sorted(set(os.getgrouplist(name, entry.pw_gid))))
    return Identity(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, entry.pw_shell, changes=True)


def require_tool(name: str) -> None:
    if find("useradd") is None:
        hint = translate("make the system user {name} yourself, then call this again", name=name)
        raise ToolMissing(tool="useradd", folders=PATH, hint=hint)


def folder_making(user: str, group: str, folder: Path) -> tuple[str, ...]:
    """The command that makes a folder of the user."""
    return ("install", "--directory", "--mode=0750", f"--owner={user}", f"--group={group}", str(folder))
