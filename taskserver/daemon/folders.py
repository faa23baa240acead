"""The folders and files that must exist, and belong to the daemon's user, before root's powers are given up.

Root acts here in folders that another user may own, so nothing is followed and nothing is taken over: a
new folder or file is made and handed to `run_as`; one that exists must already be right.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from taskserver.daemon.identity import Identity
from taskserver.errors import NotAllowed, NotConfigured
from taskserver.texts import mark, translate

FOLDER_MODE = 0o750
FILE_MODE = 0o640


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
    prepare_folder(identity, users_dir, key="users_dir")
    if log_file is None:
        return
    if log_file.parent != users_dir:
        prepare_folder(identity, log_file.parent, key="log_file", shared=True)
    if identity.changes:
        _prepare_log(identity, log_file)


def prepare_folder(identity: Identity, path: Path, *, key: str, shared: bool = False) -> None:
    """`path` is a folder of `identity` afterwards; a `shared` one, such as /var/log, may belong to others."""
    try:
        _refuse_planted_links(path, key)
        _make_folder(identity, path)
        status = path.stat()
    except PermissionError as error:
        raise FolderForbidden(path=path, key=key, reason=error.strerror) from None
    except OSError as error:
        raise FolderRefused(path=path, key=key, reason=error.strerror) from None
    if not stat.S_ISDIR(status.st_mode):
        raise FolderRefused(path=path, key=key, reason=translate("it is not a folder"))
    if not shared:
        _require_own(identity, path, status, key)


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
    return all(name.startswith(".git") for name in os.listdir(descriptor))


def _require_own(identity: Identity, path: Path, status: os.stat_result, key: str) -> None:
    if status.st_uid != identity.uid:
        if os.geteuid() != 0:
            reason = translate("it belongs to the user with the number {uid}", uid=status.st_uid)
            raise FolderForbidden(path=path, key=key, reason=reason)
        hint = translate(
            "it belongs to the user with the number {uid}; `chown -R {name} {path}` hands it to {name}",
            uid=status.st_uid,
            name=identity.name,
            path=path,
        )
        raise FolderRefused(path=path, key=key, reason=hint)
    if status.st_mode & stat.S_IWOTH:
        raise FolderRefused(path=path, key=key, reason=translate("everybody may write into it; `chmod o-w` it"))


def _prepare_log(identity: Identity, path: Path) -> None:
    """Make the log file as root where `identity` could not, as in /var/log; elsewhere it makes it itself."""
    try:
        if path.parent.stat().st_uid != 0:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, FILE_MODE)
        except FileExistsError:
            return
        os.fchown(descriptor, identity.uid, identity.gid)
        os.close(descriptor)
    except OSError as error:
        raise LogRefused(path=path, reason=error.strerror) from None
