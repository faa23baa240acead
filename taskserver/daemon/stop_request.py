"""The word that `stop --timeout` leaves for the daemon: how long running jobs may go on this time.

A signal carries no number, and the control socket answers only wake and status. So a small file in the users
directory, left just before the SIGTERM, tells it. Root may act here in a folder that another user owns, who may
plant there whatever he likes: `leave` only ever makes a new file, in the very folder that belongs to the daemon's
user; `take` believes only a young file of root or of its own user that names this very process.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from taskserver.daemon import process
from taskserver.errors import NotAllowed, TaskServerError
from taskserver.texts import mark, system_words, translate

log = logging.getLogger("taskserver")

NAME = "taskserver.stop"
LONGEST_SECONDS = 7 * 86400.0
"""More is nobody's wish: it keeps a slip of the finger from making a daemon that never ends."""

YOUNG_SECONDS = 30.0
"""How old a request may be when the daemon reads it: what an interrupted `stop` has left counts no more."""

_SIZE_LIMIT = 256
_ATTEMPTS = 5


class RequestNotLeft(TaskServerError):
    text = mark("nothing was signalled: the longer drain time can't be told to the daemon in {path}: {reason}")


class RequestForbidden(RequestNotLeft, NotAllowed):
    """The same where the caller's rights or another user's folder are the reason."""


@contextlib.contextmanager
def left(users_dir: Path, pid: int, seconds: float) -> Iterator[None]:
    """The request lies there for the time of the block; the daemon, as a rule, takes it away before.

    Raises RequestNotLeft or RequestForbidden before the block.
    """
    try:
        folder = os.open(users_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_left(users_dir, error) from None
    try:
        _leave(folder, users_dir, pid, seconds)
        try:
            yield
        finally:
            _remove(folder)
    finally:
        os.close(folder)


def lies(users_dir: Path) -> bool:
    """Whether a request waits to be taken."""
    try:
        return (users_dir / NAME).lstat() is not None
    except OSError:
        return False


def take(users_dir: Path) -> float | None:
    """The seconds asked for of this very process, once; None if nobody has, or if it is not to be believed."""
    try:
        folder = os.open(users_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _take(folder, users_dir / NAME)
    finally:
        os.close(folder)


def _leave(folder: int, users_dir: Path, pid: int, seconds: float) -> None:
    if os.fstat(folder).st_uid != process.real_uid(pid):
        reason = translate("it does not belong to the daemon's user")
        raise RequestForbidden(path=users_dir, reason=reason)
    contents = f"{pid} {process.start_ticks(pid)} {time.monotonic()} {seconds:.3f}\n".encode()
    try:
        descriptor = _make(folder)
        try:
            os.fchmod(descriptor, 0o644)  # the folder keeps strangers out; the daemon's user must read it
            if os.write(descriptor, contents) != len(contents):
                raise OSError(0, "short write")
        finally:
            os.close(descriptor)
    except OSError as error:
        _remove(folder)
        raise _not_left(users_dir, error) from None


def _make(folder: int) -> int:
    """A new file under our name. What has the name already goes: a name is removed, never what it leads to."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(NAME, flags, 0o600, dir_fd=folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NAME, dir_fd=folder)
    raise FileExistsError(0, translate("another file takes its place again and again"))


def _take(folder: int, path: Path) -> float | None:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(NAME, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        _remove(folder)
        log.warning("%s is ignored: %s", path, system_words(error.strerror))
        return None
    try:
        fault = _distrust(os.fstat(descriptor))
        contents = b"" if fault else os.read(descriptor, _SIZE_LIMIT)
    finally:
        os.close(descriptor)
    _remove(folder)
    seconds = None if fault else _seconds(contents)
    if seconds is None:
        log.warning("%s is ignored: %s", path, fault or "it is no request for this process, or an old one")
    return seconds


def _distrust(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return "it is not a plain file"
    if status.st_uid not in {0, os.geteuid()}:
        return f"it belongs to user {status.st_uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write it"
    return ""


def _seconds(contents: bytes) -> float | None:
    try:
        pid, ticks, left_at, seconds = contents.decode("ascii").split()
        named = (int(pid), int(ticks)) == (os.getpid(), process.start_ticks(os.getpid()))
        age, asked = time.monotonic() - float(left_at), float(seconds)
    except ValueError:
        return None
    if not (named and 0 <= age <= YOUNG_SECONDS and math.isfinite(asked) and 0 <= asked <= LONGEST_SECONDS):
        return None
    return asked


def _remove(folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(NAME, dir_fd=folder)


def _not_left(users_dir: Path, error: OSError) -> RequestNotLeft:
    kind = RequestForbidden if isinstance(error, PermissionError) else RequestNotLeft
    return kind(path=users_dir, reason=error.strerror)
