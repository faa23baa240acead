"""The file system below a prefix, for whoever writes in it as root: nothing leads out, no planted link misleads.

Paths are those that the installed system will see, `/etc/init.d`; the tree puts the prefix before them. Every
folder on the way is opened from the one before. A symbolic link is followed only if root or the caller has laid
it, and then as if the prefix were the root, so that an absolute one stays below it. Knows no init system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskserver.errors import NotAllowed, TaskServerError
from taskserver.texts import mark, translate

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LARGEST_FILE = 1 << 22
_MOST_LINKS = 40


class PlaceRefused(TaskServerError):
    text = mark("{path} cannot be used: {reason}")


class PlaceForbidden(NotAllowed):
    text = mark("{path} cannot be used by this user: {reason}")


class Tree:
    """What lies below `prefix`; `/` is the running system itself."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = Path(os.path.realpath(prefix))

    @property
    def is_running_system(self) -> bool:
        return self.prefix == Path("/")

    def shown(self, path: Path) -> Path:
        """The path as a person outside of the prefix sees it."""
        return self.prefix / path.relative_to("/")

    def read(self, path: Path) -> bytes | None:
        """The contents of a plain file; None if there is nothing. Raises PlaceRefused for anything else."""
        with self._at(path) as parent:
            if parent is None:
                return None
            try:
                descriptor = os.open(
                    path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent
                )
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise PlaceRefused(path=self.shown(path), reason=translate("it is not a plain file"))
                return file.read(_LARGEST_FILE)

    def status(self, path: Path) -> os.stat_result | None:
        """What stands at the path itself, not followed; None if nothing does."""
        with self._at(path) as parent:
            if parent is None:
                return None
            try:
                return os.stat(path.name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def link(self, path: Path) -> str | None:
        """Where the symbolic link at the path points; None if there is none."""
        with self._at(path) as parent:
            if parent is None:
                return None
            try:
                return os.readlink(path.name, dir_fd=parent)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINVAL):
                    return None
                raise

    def missing_folders(self, path: Path) -> list[Path]:
        """The folders on the way to `path`, itself included, that do not exist, the uppermost first."""
        missing = []
        for folder in reversed((path, *path.parents)):
            if folder != Path("/") and self.status(folder) is None:
                missing.append(folder)
        return missing

    def make_folder(self, path: Path, mode: int = 0o755) -> None:
        """Makes one folder below one that exists; it is no error if it is there."""
        with self._at(path) as parent:
            if parent is None:
                raise PlaceRefused(path=self.shown(path), reason=os.strerror(errno.ENOENT))
            with contextlib.suppress(FileExistsError):
                os.mkdir(path.name, mode, dir_fd=parent)
                made = os.open(path.name, _FOLDER, dir_fd=parent)
                try:
                    os.fchmod(made, mode)
                finally:
                    os.close(made)

    def write(self, path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
        """Puts a file in place, whole or not at all; what stood there is replaced."""
        with self._new_name(path) as (parent, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if owner is not None:
                    os.fchown(descriptor, *owner)
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.rename(name, path.name, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)

    def make_link(self, path: Path, target: str) -> None:
        """Lays a symbolic link, in the place of one that is there."""
        with self._new_name(path) as (parent, name):
            os.symlink(target, name, dir_fd=parent)
            os.rename(name, path.name, src_dir_fd=parent, dst_dir_fd=parent)

    def remove(self, path: Path) -> None:
        """Removes a file or link, if it is there."""
        with self._at(path) as parent:
            if parent is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path.name, dir_fd=parent)

    def remove_folder(self, path: Path) -> bool:
        """Removes an empty folder; whether it is gone."""
        with self._at(path) as parent:
            try:
                if parent is not None:
                    os.rmdir(path.name, dir_fd=parent)
            except FileNotFoundError:
                return True
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                    return False
                raise
            return True

    def names(self, path: Path) -> list[str]:
        """What lies in a folder; nothing if there is none."""
        with self._at(path / "_") as folder:
            return [] if folder is None else sorted(os.listdir(folder))  # noqa: PTH208 it is a descriptor

    @contextmanager
    def _new_name(self, path: Path) -> Iterator[tuple[int, str]]:
        with self._at(path) as parent:
            if parent is None:
                raise PlaceRefused(path=self.shown(path), reason=os.strerror(errno.ENOENT))
            name = f".{path.name}.{secrets.token_hex(4)}"
            try:
                yield parent, name
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=parent)
                raise

    @contextmanager
    def _at(self, path: Path) -> Iterator[int | None]:
        """The folder in which `path` stands, open; None if there is none."""
        folders: list[int] = []
        try:
            yield self._walk(path, folders)
        except PermissionError as error:
            raise PlaceForbidden(path=self.shown(path), reason=error.strerror) from None
        except OSError as error:
            raise PlaceRefused(path=self.shown(path), reason=error.strerror) from None
        finally:
            for descriptor in folders:
                os.close(descriptor)

    def _walk(self, path: Path, folders: list[int]) -> int | None:
        way = list(path.parent.parts[1:])
        folders.append(os.open(self.prefix, _FOLDER))
        depth, links = [folders[0]], 0
        while way:
            name = way.pop(0)
            if name == "..":
                depth = depth[:-1] or depth
                continue
            try:
                status = os.stat(name, dir_fd=depth[-1], follow_symlinks=False)
            except FileNotFoundError:
                return None
            if stat.S_ISLNK(status.st_mode):
                links += 1
                self._require_trusted(path, name, status, links)
                target = os.readlink(name, dir_fd=depth[-1])
                way = [part for part in target.split("/") if part not in ("", ".")] + way
                depth = depth[:1] if target.startswith("/") else depth
                continue
            folders.append(os.open(name, _FOLDER, dir_fd=depth[-1]))
            depth.append(folders[-1])
        return depth[-1]

    def _require_trusted(self, path: Path, name: str, status: os.stat_result, links: int) -> None:
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if status.st_uid not in (0, os.geteuid()):
            reason = translate("{link} is a symbolic link of another user", link=name)
            raise PlaceRefused(path=self.shown(path), reason=reason)
