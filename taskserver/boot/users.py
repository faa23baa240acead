"""The system user of a service: what it takes to make one, and to take it back."""

from __future__ import annotations

import grp
import os
import pwd
import re
from pathlib import Path

from taskserver.boot.tools import PATH, ToolMissing, find
from taskserver.daemon.identity import Identity
from taskserver.errors import UsageError
from taskserver.texts import mark, translate

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?")
_UNKNOWN = 2**32 - 2
"""A number that no user has."""


class NoUserName(UsageError):
    text = mark(
        "{name!r} is no name for a new system user: small letters, digits, _ and - alone, at most 31 of them"
    )


def group_of(name: str) -> str:
    """The group of a user; one that is to be made gets a group of its own name."""
    try:
        return grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    except KeyError:
        return name


def exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def group_number(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def identity(name: str, home: Path) -> Identity:
    """The user as the kernel will see it; one that is still to be made owns nothing yet."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return Identity(name, _UNKNOWN, _UNKNOWN, (), str(home), "/bin/sh", changes=True)
    groups = tuple(sorted(set(os.getgrouplist(name, entry.pw_gid))))
    return Identity(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, entry.pw_shell, changes=True)


def making(name: str, home: Path) -> tuple[str, ...]:
    """The command that makes the user. Raises NoUserName."""
    if not _NAME.fullmatch(name):
        raise NoUserName(name=name)
    group = ("--user-group",) if group_number(name) is None else ("--gid", name)
    shell = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if Path(path).exists()), "/bin/false")
    words = ("--no-create-home", "--home-dir", str(home), "--shell", shell, "--comment", "Task server")
    return ("useradd", "--system", *group, *words, name)


def require_tool(name: str) -> None:
    if find("useradd") is None:
        hint = translate("make the system user {name} yourself, then call this again", name=name)
        raise ToolMissing(tool="useradd", folders=PATH, hint=hint)


def folder_making(user: str, group: str, folder: Path) -> tuple[str, ...]:
    """The command that makes a folder of the user."""
    return ("install", "--directory", "--mode=0750", f"--owner={user}", f"--group={group}", str(folder))
