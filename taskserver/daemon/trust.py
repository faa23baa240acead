"""Who else could change a file that root is about to act on: its owner, its mode, and every folder on the way.

Asked by the commands of root before they execute an installation, follow a configuration or make files. `Weakness`
names the place and the command that mends it. Symbolic links are followed as the kernel follows them.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from taskserver.errors import NotAllowed, NotConfigured
from taskserver.texts import mark, translate

ROOT = frozenset({0})

_MOST_LINKS = 40  # as many as the kernel follows
_MOST_NAMED = 5
_ACL = "system.posix_acl_access"
_IMPORTABLE = (".py", ".pyc", ".so", ".pth")


class CodeRefused(NotAllowed):
    text = mark("root does not run what others can change:\n{places}")

    def __init__(self, found: Collection[Weakness]) -> None:
        self.found = tuple(found)
        super().__init__(places=_list(self.found))


class ConfigurationRefused(NotConfigured):
    text = mark("root does not follow a configuration that others can change:\n{places}")

    def __init__(self, found: Collection[Weakness]) -> None:
        self.found = tuple(found)
        super().__init__(places=_list(self.found))


@dataclass(frozen=True, slots=True)
class Weakness:
    """A place that somebody can change who should not, and the command that mends it.

    Without a command it is right that others can change it: what root is to rely on belongs elsewhere.
    """

    path: Path
    reason: str
    command: str | None

    def __str__(self) -> str:
        if self.command is None:
            text = mark("{path}: {reason}; use a place instead that root alone can change, such as /etc or /opt")
        else:
            text = mark("{path}: {reason}; mend it with: {command}")
        return translate(text, path=self.path, reason=self.reason, command=self.command)


def weakness(path: Path, trusted: Collection[int] = ROOT) -> Weakness | None:
    """The first place on the way to `path`, itself included, that others than the users in `trusted` can change.

    What does not exist (yet) is no weakness: the folder it would be made in has been looked at.
    """
    return next(_weak_places(path, trusted), None)


def weaknesses(path: Path, trusted: Collection[int] = ROOT, *, modules_only: bool = False) -> Iterator[Weakness]:
    """The same for everything below `path` as well; with `modules_only` for what an import could find there."""
    found = weakness(path, trusted)
    if found is not None:
        yield found
    else:
        yield from _below(str(path), trusted, modules_only, set())


def installation(package: Path) -> Iterator[Weakness]:
    """What of the code that root itself executes others can change: interpreter, environment, package, path."""
    trees = [package]
    if (package.parent / "setup.cfg").exists():
        trees.append(package.parent / "scripts")
    if sys.prefix != sys.base_prefix:
        trees.append(Path(sys.prefix))
    for place in (Path(sys.executable), *(Path(part) for part in sys.path if part)):
        yield from _weak_places(place, ROOT)
    for tree in trees:
        yield from weaknesses(tree)


def require_code(found: Iterable[Weakness]) -> None:
    """Raises CodeRefused with what was found."""
    places = {place.path: place for place in found}
    if places:
        raise CodeRefused(places.values())


def _weak_places(path: Path, trusted: Collection[int]) -> Iterator[Weakness]:
    """Every weak place on the way, from the root of the file system on, as the kernel walks it."""
    place, ahead, links = Path("/"), list(reversed(path.absolute().parts)), 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            place = place.parent
            continue
        step = place / part
        try:
            status = step.lstat()
        except OSError:
            return  # not there, or not for us to see: nothing is behind it
        found = _judge(str(step), status, trusted, passing=bool(ahead))
        if found is not None:
            yield found
        if not stat.S_ISLNK(status.st_mode):
            place = step
            continue
        links += 1
        if links > _MOST_LINKS:
            return  # the kernel gives up as well
        ahead.extend(reversed(step.readlink().parts))


def _below(
    folder: str, trusted: Collection[int], modules_only: bool, seen: set[tuple[int, int]]
) -> Iterator[Weakness]:
    """What is weak in a folder whose way is in order; links that lead out of it are followed."""
    try:
        status = os.stat(folder)  # noqa: PTH116 some ten thousand of them: a Path each costs more than the look
        entries = list(os.scandir(folder)) if stat.S_ISDIR(status.st_mode) else []
    except OSError:
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        is_folder = entry.is_dir()
        if modules_only and not _is_importable(entry.name, is_folder):
            continue
        if entry.is_symlink():
            found = weakness(Path(entry.path), trusted)
        else:
            found = _judge(entry.path, entry.stat(follow_symlinks=False), trusted, passing=False)
        if found is not None:
            yield found
        elif is_folder:
            yield from _below(entry.path, trusted, modules_only, seen)


def _is_importable(name: str, is_folder: bool) -> bool:
    return name.isidentifier() if is_folder else name.endswith(_IMPORTABLE)


def _judge(place: str, status: os.stat_result, trusted: Collection[int], *, passing: bool) -> Weakness | None:
    """What is weak about this one place. `passing`: it only leads on, so that a sticky folder is safe."""
    link = stat.S_ISLNK(status.st_mode)
    below = "-R " if stat.S_ISDIR(status.st_mode) and not passing else ""
    quoted = shlex.quote(place)
    if status.st_uid not in trusted:
        reason = translate("it belongs to the user {owner}", owner=_user(status.st_uid))
        command = None if _is_home(place, status.st_uid) else f"chown {'-h ' if link else below}root: {quoted}"
        return Weakness(Path(place), reason, command)
    held = passing and status.st_mode & stat.S_ISVTX  # in a sticky folder only owners move what is theirs
    if link or held or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    if status.st_mode & stat.S_IWOTH:
        command = None if _is_for_all(status) else f"chmod {below}o-w {quoted}"
        return Weakness(Path(place), translate("everybody can change it"), command)
    if _has_acl(place):
        return Weakness(
            Path(place), translate("an access list lets others change it"), f"setfacl {below}-b {quoted}"
        )
    if not _members(status.st_gid) <= set(trusted):
        reason = translate("the group {group} can change it", group=_group(status.st_gid))
        return Weakness(Path(place), reason, f"chmod {below}g-w {quoted}")
    return None


def _is_for_all(status: os.stat_result) -> bool:
    """Whether it is meant to be open to everybody, as /tmp and /dev/null are."""
    plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return not plain or bool(status.st_mode & stat.S_ISVTX)


def _is_home(place: str, owner: int) -> bool:
    try:
        return Path(pwd.getpwuid(owner).pw_dir) == Path(place)
    except KeyError:
        return False


def _has_acl(place: str) -> bool:
    try:
        return bool(os.getxattr(place, _ACL))
    except OSError:
        return False


@lru_cache
def _members(gid: int) -> frozenset[int]:
    """The users who are in the group, by its list or as their own first group."""
    members = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
    for name in _listed(gid):
        try:
            members.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    return frozenset(members)


def _listed(gid: int) -> list[str]:
    try:
        return grp.getgrgid(gid).gr_mem
    except KeyError:
        return []


def _user(uid: int) -> str:
    return _name(lambda: pwd.getpwuid(uid).pw_name, uid)


def _group(gid: int) -> str:
    return _name(lambda: grp.getgrgid(gid).gr_name, gid)


def _name(find: Callable[[], str], number: int) -> str:
    try:
        return find()
    except KeyError:
        return str(number)


def _list(found: Collection[Weakness]) -> str:
    lines = [f"  - {place}" for place in list(found)[:_MOST_NAMED]]
    if len(found) > _MOST_NAMED:
        lines.append("  - " + translate("and {count} more places", count=len(found) - _MOST_NAMED))
    return "\n".join(lines)
