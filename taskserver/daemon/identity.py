"""As whom the daemon works: finding the user of `run_as`, and becoming it without a way back.

Called by `start`, by `run` and by every command that root calls and that opens the database.
Knows nothing of folders or configuration files; `run_as` comes in as a name.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from taskserver.daemon import confinement
from taskserver.daemon import environment as environments
from taskserver.daemon.process import status_field
from taskserver.errors import NotAllowed, NotConfigured, TaskServerError
from taskserver.texts import mark


class UnknownUser(NotConfigured):
    text = mark(
        "run_as names the user {name!r}, whom this machine does not know; create the user or change run_as"
    )


class RootRefused(NotConfigured):
    text = mark(
        'the task server does not work as root: set run_as = "USER" in the configuration, '
        "or allow it with allow_root = true or --allow-root"
    )


class SomebodyElse(NotAllowed):
    text = mark(
        "run_as is {wanted!r}, and {caller!r} may not become that user; call this as root or as {wanted!r}"
    )


class NotBecome(TaskServerError):
    """The kernel has not made of this process what was asked for; going on would be dangerous."""

    text = mark("the process could not become {name!r} for good: {reason}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A user with all that makes it up for the kernel. `changes` tells whether the caller is another.

    `passes` names what of root's environment goes along besides the usual (see `environment`).
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    changes: bool
    passes: tuple[str, ...] = ()


def resolve(run_as: str | None, *, allow_root: bool = False, passes: Sequence[str] = ()) -> Identity:
    """The identity to work under, for this caller.

    Raises UnknownUser and RootRefused (exit code 6), SomebodyElse (exit code 4).
    """
    caller = os.geteuid()
    if run_as is None:
        if caller == 0 and not allow_root:
            raise RootRefused()
        return _present_identity()
    try:
        entry = pwd.getpwnam(run_as)
    except (KeyError, ValueError):
        raise UnknownUser(name=run_as) from None
    if entry.pw_uid == 0 and not allow_root:
        raise RootRefused()
    if entry.pw_uid == caller:
        return _present_identity()
    if caller != 0:
        raise SomebodyElse(wanted=run_as, caller=_present_identity().name)
    groups = tuple(sorted(set(os.getgrouplist(entry.pw_name, entry.pw_gid))))
    return Identity(
        entry.pw_name,
        entry.pw_uid,
        entry.pw_gid,
        groups,
        entry.pw_dir,
        entry.pw_shell or "/bin/sh",
        changes=True,
        passes=tuple(passes),
    )


def become(identity: Identity) -> None:
    """Be this user from now on: groups, gid, uid, capabilities, keys, environment; verified, and no way back.

    Does nothing if the caller is that user already. Raises NotBecome.
    """
    if not identity.changes:
        return
    take_groups(identity)
    try:
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        raise NotBecome(name=identity.name, reason=error.strerror) from None
    leave_root_behind(identity)


def leave_root_behind(identity: Identity) -> None:
    """The last part of `become`, when the ids have changed: everything else that was root's. Raises NotBecome."""
    confinement.shed_capabilities()
    confinement.leave_session_keyring()
    confinement.hide_memory()
    verify(identity)
    environments.forget(scrubbed_environment(identity, os.environ))


def take_groups(identity: Identity) -> None:
    """The first part of `become`, while still root: supplementary groups and gid, and hands off the terminal."""
    confinement.bar_typing()
    try:
        os.initgroups(identity.name, identity.gid)
        os.setresgid(identity.gid, identity.gid, identity.gid)
    except OSError as error:
        raise NotBecome(name=identity.name, reason=error.strerror) from None


def verify(identity: Identity) -> None:
    """Raise NotBecome unless this process is that user in every respect that the kernel knows."""
    wrong = [
        f"{what} {found}"
        for what, found, wanted in (
            ("uid", os.getresuid(), (identity.uid,) * 3),
            ("gid", os.getresgid(), (identity.gid,) * 3),
            ("groups", set(os.getgroups()) | {identity.gid}, {*identity.groups, identity.gid}),
        )
        if found != wanted
    ]
    if identity.uid != 0:
        wrong += [f"{name} {value}" for name, value in _capabilities().items() if value]
        if _can_return():
            wrong.append("root can be regained")
    if wrong:
        raise NotBecome(name=identity.name, reason=", ".join(wrong))


def scrubbed_environment(identity: Identity, environment: Mapping[str, str]) -> dict[str, str]:
    """What of `environment` passes (see `environment.PASSED`), with what makes `identity` at home."""
    own = {"HOME": identity.home, "USER": identity.name, "LOGNAME": identity.name, "SHELL": identity.shell}
    return environments.passed(environment, identity.passes) | own


@contextmanager
def acting_as(identity: Identity) -> Iterator[Identity]:
    """Within the block root makes files as `identity` and with no more rights; yields who that now is.

    For places that others than root can change: what is planted there leads no further than they could go.
    """
    if not identity.changes:
        yield identity
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(identity.groups)
        os.setegid(identity.gid)
        os.seteuid(identity.uid)
        yield replace(identity, changes=False)
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def barrier(path: Path, identity: Identity) -> Path | None:
    """The first folder or file on the way to `path` that is closed to `identity`; None if the way is open.

    Symbolic links are followed with the folders that lead to their targets. Judges by permission bits; the
    probe finds out for certain.
    """
    pending, seen = [path.absolute()], 0
    while pending and seen < 40:
        seen += 1
        target = pending.pop()
        for folder in reversed(target.parents):
            if folder.exists() and not _may(folder, identity, 0o1):
                return folder
        if target.is_symlink():
            pending.append(target.parent / target.readlink())
        elif target.exists() and not _may(target, identity, 0o1 if target.is_dir() else 0o4):
            return target
    return None


def _may(path: Path, identity: Identity, bit: int) -> bool:
    status = path.stat()
    if identity.uid == 0:
        return True
    if status.st_uid == identity.uid:
        return bool(status.st_mode & (bit << 6))
    if status.st_gid in {identity.gid, *identity.groups}:
        return bool(status.st_mode & (bit << 3))
    return bool(status.st_mode & bit)


def _present_identity() -> Identity:
    uid = os.geteuid()
    groups = tuple(sorted(os.getgroups()))
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # containers run under numbers without a name
        home = os.environ.get("HOME", "/")
        return Identity(str(uid), uid, os.getegid(), groups, home, "/bin/sh", changes=False)
    shell = entry.pw_shell or "/bin/sh"
    return Identity(entry.pw_name, uid, os.getegid(), groups, entry.pw_dir, shell, changes=False)


def _capabilities() -> dict[str, int]:
    names = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    return {name: int(status_field("self", name) or "0", 16) for name in names}


def _can_return() -> bool:
    try:
        os.setuid(0)
    except OSError:
        return False
    return True
