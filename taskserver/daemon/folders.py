"""The folders and files that must exist, and belong to the daemon's user, before root's powers are given up.

Root acts here in folders that another user may own, so nothing is followed and nothing is taken over: a
new folder or file is made and handed to `run_as`; one that exists must already be right.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import stat
from pathlib import Path

from taskserver.daemon import sandbox, trust
from taskserver.daemon.identity import Identity, acting_as
from taskserver.errors import NotAllowed, NotConfigured, TaskServerError
from taskserver.texts import mark, translate

FOLDER_MODE = 0o750
FILE_MODE = 0o640

_UMASK = 0o022

_NOT_A_FOLDER = mark("it is not a folder")


class FolderRefused(NotConfigured):
    text = mark("the folder {path} ({key}) cannot be used: {reason}")


class FolderForbidden(NotAllowed):
    text = mark("the folder {path} ({key}) cannot be used by this user: {reason}")


class LogRefused(NotConfigured):
    text = mark("the log file {path} (log_file) cannot be used: {reason}")


def prepare(identity: Identity, *, users_dir: Path, log_file: Path | None) -> None:
    """Make what is missing of the users directory and the log file for `identity`.

    Raises FolderRefused or LogRefused, which name the place and what to do.
    """
    previous = os.umask(_UMASK)  # the caller's own may close what has to be passed, or open everything
    try:
        _prepare_with_due_rights(identity, users_dir, key="users_dir")
        if log_file is None:
            return
        if log_file.parent != users_dir:
            _prepare_with_due_rights(identity, log_file.parent, key="log_file", shared=True)
        if identity.changes:
            _prepare_log(identity, log_file)
    finally:
        os.umask(previous)


def refusals(identity: Identity | None, *, users_dir: Path, log_file: Path | None) -> list[TaskServerError]:
    """What `prepare` would raise, found without making or changing anything; not knowing the user, what is wrong
    for everybody. At most one for each folder, that of the users directory first."""
    asked = [(users_dir, "users_dir", False)]
    if log_file is not None and log_file.parent != users_dir:
        asked.append((log_file.parent, "log_file", True))
    found: list[TaskServerError] = []
    for path, key, shared in asked:
        try:
            _examine_folder(identity, path, key=key, shared=shared)
        except (FolderRefused, FolderForbidden) as error:
            found.append(error)
    return found


def _examine_folder(identity: Identity | None, path: Path, *, key: str, shared: bool) -> None:
    try:
        _refuse_planted_links(path, key)
        nearest = next(place for place in (path, *path.parents) if place.exists())
        status = nearest.stat()
        given = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() == 0 and not path.is_symlink()
        given = given and _holds_nothing(os.listdir(nearest))  # noqa: PTH208 names, as from a descriptor
    except PermissionError as error:
        raise FolderForbidden(path=path, key=key, reason=error.strerror) from None
    except OSError as error:
        raise FolderRefused(path=path, key=key, reason=error.strerror) from None
    if not stat.S_ISDIR(status.st_mode):
        here = translate("{path} is not a folder", path=nearest)
        raise FolderRefused(path=path, key=key, reason=translate(_NOT_A_FOLDER) if nearest == path else here)
    if nearest != path:
        if not os.access(nearest, os.W_OK | os.X_OK):
            reason = translate("it does not exist, and {parent} is not writable", parent=nearest)
            raise FolderForbidden(path=path, key=key, reason=reason)
    elif not shared and identity is None:
        _require_closed(path, status, key)
    elif not shared and identity is not None and not (given and identity.changes):
        _require_own(identity, path, status, key)


def prepare_folder(identity: Identity, path: Path, *, key: str, shared: bool = False) -> None:
    """`path` is a folder of `identity` afterwards; a `shared` one, such as /var/log, may belong to others."""
    try:
        _refuse_planted_links(path, key)
        _make_folder(identity, path)
        status = path.stat()
    except PermissionError as error:
        raise FolderForbidden(path=path, key=key, reason=error.strerror) from None
    except OSError as error:
        raise FolderRefused(path=path, key=key, reason=sandbox.reason(error)) from None
    if not stat.S_ISDIR(status.st_mode):
        raise FolderRefused(path=path, key=key, reason=translate(_NOT_A_FOLDER))
    if not shared:
        _require_own(identity, path, status, key)


def _prepare_with_due_rights(identity: Identity, path: Path, *, key: str, shared: bool = False) -> None:
    """As root only where nobody else can change the way; elsewhere with no more rights than `identity` has."""
    if not identity.changes or trust.weakness(path.parent) is None:
        prepare_folder(identity, path, key=key, shared=shared)
        return
    with acting_as(identity) as who:
        prepare_folder(who, path, key=key, shared=shared)


def _refuse_planted_links(path: Path, key: str) -> None:
    """Refuse a way that leads over a symbolic link which neither root nor the caller has laid."""
    trusted = {0, os.geteuid()}
    for place in (path, *path.parents):
        if place.is_symlink() and place.lstat().st_uid not in trusted:
            reason = translate("{link} is a symbolic link of another user", link=place)
            raise FolderRefused(path=path, key=key, reason=reason)


def _make_folder(identity: Identity, path: Path) -> None:
    """Make the folder and hand it over; missing parents stay the caller's and are open to be passed."""
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(mode=0o755, parents=True)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not identity.changes:
            return
    if path.is_symlink():
        return  # what a link leads to is never given away
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if identity.changes and os.fstat(descriptor).st_uid == 0 and _is_unused(descriptor):
            os.fchown(descriptor, identity.uid, identity.gid)
            os.fchmod(descriptor, FOLDER_MODE)
    finally:
        os.close(descriptor)


def _is_unused(descriptor: int) -> bool:
    """Whether the folder holds nothing yet: only then is it given to another user."""
    return _holds_nothing(os.listdir(descriptor))


def _holds_nothing(names: list[str]) -> bool:
    return all(name.startswith(".git") for name in names)


def _require_own(identity: Identity, path: Path, status: os.stat_result, key: str) -> None:
    if status.st_uid != identity.uid:
        owner = _name(status.st_uid)
        if os.geteuid() != 0:
            reason = translate("it belongs to the user {owner}", owner=owner)
            raise FolderForbidden(path=path, key=key, reason=reason)
        hint = translate(
            "it belongs to the user {owner}; to hand it to {name}, stop the daemon first: "
            "`task_server stop`, then `chown -R {name} {path}`, then `task_server start`",
            owner=owner,
            name=identity.name,
            path=shlex.quote(str(path)),
        )
        raise FolderRefused(path=path, key=key, reason=hint)
    _require_closed(path, status, key)
    found = trust.weakness(path, trust.ROOT | {identity.uid}) if os.getuid() == 0 else None
    if found is not None:
        raise FolderRefused(path=path, key=key, reason=str(found))


def _require_closed(path: Path, status: os.stat_result, key: str) -> None:
    if not status.st_mode & stat.S_IWOTH:
        return
    if status.st_mode & stat.S_ISVTX:
        reason = translate("it is a folder for everybody; name one of its own, which will be made")
    else:
        reason = translate(
            "everybody may write into it; mend it with: chmod o-w {path}", path=shlex.quote(str(path))
        )
    raise FolderRefused(path=path, key=key, reason=reason)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _prepare_log(identity: Identity, path: Path) -> None:
    """Make the log file as root where `identity` could not, as in /var/log; elsewhere it makes it itself."""
    if trust.weakness(path.parent.parent) is not None:
        return
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LogRefused(path=path, reason=error.strerror) from None
    try:
        if os.fstat(folder).st_uid == 0:
            _make_log(identity, path.name, folder)
    except OSError as error:
        raise LogRefused(path=path, reason=error.strerror) from None
    finally:
        os.close(folder)


def _make_log(identity: Identity, name: str, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, FILE_MODE, dir_fd=folder)
    except FileExistsError:
        return
    os.fchown(descriptor, identity.uid, identity.gid)
    os.close(descriptor)
