"""The pidfile: who the daemon is, held by a lock for as long as it lives.

The daemon enters `PidFile` after it has detached; `status`, `stop` and a second `start` call `read`. Existence
proves nothing here: a daemon lives if the lock is held and the process named has the start time and kernel boot
that it wrote down. The descriptor is never inherited by a child.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from taskserver import plain_files
from taskserver.clock import to_rfc3339
from taskserver.daemon import process, sandbox
from taskserver.errors import EXIT_NOT_ALLOWED, TaskServerError
from taskserver.texts import mark, system_words, translate

NAME = "taskserver.pid"
READY = "ready"
STARTING = "starting"
WAITING = "waiting"
GOING_ON = "going-on"

_SIZE_LIMIT = 4096
_SETTLE_SECONDS = 2.0
_PAUSE_SECONDS = 0.01


class PidFileRefused(TaskServerError):
    """Something other than our own plain file is in the pidfile's place."""

    text = mark("{path} is refused as pidfile: {reason}")
    exit_code = EXIT_NOT_ALLOWED


class AlreadyRunning(TaskServerError):
    """Another daemon holds the pidfile."""

    text = mark("the task server is already running (pid {pid})")


class State(StrEnum):
    """What the pidfile proves."""

    RUNNING = "running"
    DEAD = "dead"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Record:
    """The contents of a pidfile."""

    pid: int
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def since(self) -> str | None:
        return self.facts.get("since")

    @property
    def state(self) -> str:
        """How far the start has come: STARTING, WAITING (for the database), GOING_ON (still waiting) or READY."""
        return self.facts.get("state", STARTING)

    @property
    def drain_seconds(self) -> float | None:
        try:
            return float(self.facts["drain"])
        except (KeyError, ValueError):
            return None

    def is_alive(self) -> bool:
        """Whether the very process that wrote this record still exists."""
        return self.facts.get("kernel-boot-id") == process.kernel_boot_id() and self.facts.get(
            "start-ticks"
        ) == str(process.start_ticks(self.pid))

    def to_text(self) -> str:
        lines = [str(self.pid), *(f"{key} {' '.join(value.split())}" for key, value in self.facts.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Record | None:
        """The record that `to_text` wrote; None for anything else. A bare number is a record without facts."""
        first, *others = text.splitlines() or [""]
        if not (first.isascii() and first.strip().isdigit() and 0 < int(first) < 2**31):
            return None
        pairs = (line.partition(" ") for line in others)
        return cls(int(first), {key: value for key, _, value in pairs if key})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look at the pidfile has shown. `reason` tells why the state is UNKNOWN."""

    state: State
    record: Record | None = None
    reason: str = ""
    forbidden: bool = False


class PidFile:
    """The lock of one daemon as a context manager; python-daemon enters it after the second fork."""

    def __init__(self, users_dir: Path, *, facts: dict[str, str] | None = None) -> None:
        self.users_dir = users_dir
        self.path = users_dir / NAME
        self._facts = facts or {}
        self._record: Record | None = None
        self._descriptor = -1

    @property
    def held(self) -> bool:
        return self._descriptor >= 0

    def is_in_place(self) -> bool:
        """Whether the file of our name is still the one we have locked; without it a second daemon could start."""
        return _same_file(self._descriptor, self.path)

    def __enter__(self) -> Self:
        """Take the lock and write who we are.

        Raises AlreadyRunning if a live daemon has it, PidFileRefused if the file is not ours to take.
        """
        self._descriptor = self._lock()
        self._record = Record(
            os.getpid(),
            {
                "kernel-boot-id": process.kernel_boot_id(),
                "start-ticks": str(process.start_ticks(os.getpid())),
                "since": to_rfc3339(datetime.now(UTC).replace(microsecond=0)),
                "state": STARTING,
                **self._facts,
            },
        )
        try:
            self._write()
        except OSError as error:  # a full disk: an empty pidfile would tell of a daemon that died
            self.__exit__()
            raise PidFileRefused(path=self.path, reason=error.strerror) from None
        return self

    def note(self, **facts: str) -> None:
        """Add facts for those who only see the file. A full disk is no reason to fail: the lock counts."""
        if self._record is None:
            return
        self._record.facts.update({key.replace("_", "-"): value for key, value in facts.items()})
        with contextlib.suppress(OSError):
            self._write()

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Remove the file, then let go of the lock; in this order nobody ever locks a file without a name."""
        if not self.held:
            return
        with contextlib.suppress(OSError):
            if _same_file(self._descriptor, self.path):
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1

    def _lock(self) -> int:
        """Lock the file that bears the name. Readers hold it for moments, so a refusal is tried again."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(descriptor, self.path):
                    return descriptor
            except BlockingIOError:
                record = _read_record(descriptor)
                if record is not None and record.is_alive():
                    os.close(descriptor)
                    raise AlreadyRunning(pid=record.pid) from None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise PidFileRefused(path=self.path, reason=translate("an unknown process holds its lock"))
            time.sleep(_PAUSE_SECONDS)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self.path, flags, 0o640)
        except OSError as error:
            raise PidFileRefused(path=self.path, reason=_open_fault(error)) from None
        fault = _fault(os.fstat(descriptor), owners={os.geteuid(), 0})
        if fault:
            os.close(descriptor)
            raise PidFileRefused(path=self.path, reason=fault)
        return descriptor

    def _write(self) -> None:
        contents = self._record.to_text().encode() if self._record else b""
        if os.pwrite(self._descriptor, contents, 0) < len(contents):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(self._descriptor, len(contents))


def read(users_dir: Path) -> Reading:
    """What the pidfile in `users_dir` proves. Changes nothing; needs no configuration and no database."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        reading = _look(users_dir)
        unsettled = reading.state is State.UNKNOWN and not reading.reason
        if not unsettled:
            return reading
        if time.monotonic() > deadline:
            return Reading(
                State.UNKNOWN, reading.record, translate("another process holds the lock of the pidfile")
            )
        time.sleep(_PAUSE_SECONDS)


def remove_stale(users_dir: Path) -> bool:
    """Remove a pidfile that no daemon holds; whether it is gone."""
    try:
        folder = os.open(users_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return _remove_unheld(folder)
    finally:
        os.close(folder)


def _remove_unheld(folder: int) -> bool:
    """All in the folder of this descriptor, so that root is not led elsewhere between the look and the removal."""
    try:
        descriptor = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named = os.stat(NAME, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(os.fstat(descriptor), named):
            os.unlink(NAME, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _look(users_dir: Path) -> Reading:
    """One look. UNKNOWN without a reason: a daemon is just taking or leaving the lock; look again."""
    path = users_dir / NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return Reading(State.STOPPED)
    except OSError as error:
        forbidden = isinstance(error, PermissionError)
        return Reading(State.UNKNOWN, reason=f"{path}: {_open_fault(error)}", forbidden=forbidden)
    try:
        fault = _fault(os.fstat(descriptor), owners={users_dir.stat().st_uid, 0})
        if fault:
            return Reading(State.UNKNOWN, reason=f"{path}: {fault}")
        reading = _judge(descriptor)
        if reading.state is State.DEAD and not _same_file(descriptor, path):
            return Reading(State.STOPPED)
        return _of_the_right_user(reading, users_dir)
    except OSError as error:
        return Reading(State.UNKNOWN, reason=f"{path}: {system_words(error.strerror)}")
    finally:
        os.close(descriptor)


def _of_the_right_user(reading: Reading, users_dir: Path) -> Reading:
    """The owner of the folder can write any process into the file: one of another user is not believed."""
    if reading.state is not State.RUNNING or reading.record is None:
        return reading
    pid, owner = reading.record.pid, users_dir.stat().st_uid
    uid = process.real_uid(pid)
    if uid in (None, owner):  # None: it has just ended
        return reading
    reason = translate(
        "process {pid} runs as user {uid}, but {path} belongs to user {owner}",
        pid=pid,
        uid=uid,
        path=users_dir,
        owner=owner,
    )
    return Reading(State.UNKNOWN, reading.record, reason)


def _judge(descriptor: int) -> Reading:
    record = _read_record(descriptor)
    if not _is_locked(descriptor):
        return Reading(State.DEAD, record)
    if record is not None and record.is_alive():
        return Reading(State.RUNNING, record)
    return Reading(State.UNKNOWN, record)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _read_record(descriptor: int) -> Record | None:
    return Record.from_text(os.pread(descriptor, _SIZE_LIMIT, 0).decode("utf-8", "replace"))


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)


def _fault(status: os.stat_result, *, owners: set[int]) -> str:
    if reason := plain_files.fault(status):
        return reason
    if status.st_uid not in owners:
        return translate("it belongs to the user with the number {uid}", uid=status.st_uid)
    return ""


def _open_fault(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return translate("it is a symbolic link")
    return sandbox.reason(error)
