"""Who may read a file with a password in it: its owner, root, and groups of the daemon's user."""

from __future__ import annotations

import grp
import os
import pwd
import stat


def readers(mode: int, gid: int, run_as: str | None) -> str | None:
    """Who else may read or change a file of this mode and group: "" for everybody, a group's name, or None."""
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return ""
    if mode & (stat.S_IRGRP | stat.S_IWGRP) and gid not in _groups(run_as):
        return _name(gid)
    return None


def _groups(run_as: str | None) -> set[int]:
    """Root's group, and those of the daemon's user: of `run_as`, else of whoever asks."""
    if run_as is not None:
        try:
            return {0, *os.getgrouplist(run_as, pwd.getpwnam(run_as).pw_gid)}
        except KeyError:
            pass  # no such user: told elsewhere
    return {0, os.getegid(), *os.getgroups()}


def _name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
