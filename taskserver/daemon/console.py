"""Keeps the console served: a child process of the daemon, watched, restarted with backoff, ended with the daemon.

Driven by the supervisor's main thread, which must never wait for it: every step returns at once, but the last one.
What the child does is `console_program`'s; nothing of the console is imported here.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import taskserver
from taskserver.daemon import process
from taskserver.web.packages import ConsoleMissing, require_packages

if TYPE_CHECKING:
    from taskserver.config import Settings

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
GOOD_SECONDS = 60.0
"""Who has served for so long and then ends is begun with again as if it had never failed."""

END_SECONDS = 3.0
"""What requests under way get at an end, before it is killed."""

_LOOK_AGAIN_SECONDS = 0.05
_LONGEST_MESSAGE = 16 * 1024


class Child:
    """One start of the program, with the pipe on which it tells how it goes."""

    def __init__(self, settings: Settings, *, foreground: bool) -> None:
        """Raises OSError where it can't be started."""
        self.reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.serving_since: float | None = None
        self.address = ""
        self.reason = ""
        self.replaced = False
        """Its end is no failure: it has made room for another, or for none."""
        self.kill_at: float | None = None
        """It was told to end: when it is killed if it has not."""
        self.look_at: float | None = None
        """Its pipe tells nothing any more: when to look whether it has ended."""
        self._received = b""
        try:
            with os.fdopen(os.memfd_create("settings"), "w+b") as given:  # a password is in them: in no file
                pickle.dump(settings, given)
                given.seek(0)
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-s", "-m", "taskserver.daemon.console_program", str(writer)),
                        *(str(os.getpid()), "foreground" if foreground else "background"),
                    ],
                    stdin=given,
                    pass_fds=[writer],
                    env={**os.environ, "PYTHONPATH": _import_path()},
                    start_new_session=True,  # Ctrl-C is the daemon's affair: it lets jobs end before
                )
        except BaseException:
            os.close(self.reader)
            raise
        finally:
            os.close(writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self, *, at: float) -> None:
        """Ask it to end; `at` it is killed."""
        if self.kill_at is None:
            self.kill_at = at
            self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def wait(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.has_ended()

    def close(self) -> None:
        os.close(self.reader)

    def hear(self) -> bool:
        """Take in what it has told; whether it may tell more."""
        while True:
            try:
                piece = os.read(self.reader, 4096)
            except BlockingIOError:
                return True
            if not piece or len(self._received) > _LONGEST_MESSAGE:
                return False
            *lines, self._received = (self._received + piece).split(b"\n")
            for line in lines:
                message: dict[str, str] = json.loads(line)
                self.address = message.get("ready", self.address)
                self.reason = message.get("failed", self.reason)

    def ending(self) -> str:
        """Why it has ended, in a sentence."""
        if self.reason:
            return self.reason
        code = self._process.returncode
        return f"it was killed by signal {-code}" if code < 0 else f"it ended with exit code {code}"


class ConsoleKeeper:
    """One console, or none. Can be selected on; `patience` says when `step` is due although nothing happens."""

    def __init__(
        self, log: logging.Logger, *, foreground: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._foreground = foreground
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._wanted: Settings | None = None
        self._child: Child | None = None
        self._start_at: float | None = None
        self._failures = 0
        self._reason = ""

    def fileno(self) -> int:
        """Readable when `step` has something to do: an epoll descriptor can itself be waited for."""
        return self._selector.fileno()

    def serve(self, settings: Settings) -> None:
        """From now on the console is served with these settings, or not at all, as they say."""
        wanted = settings if settings.console.enabled else None
        if wanted == self._wanted and (wanted is None or self._child is not None):
            return
        self._wanted = wanted
        self._failures, self._reason = 0, ""
        self._start_at = None if wanted is None else self._clock()
        if self._child is not None:
            self._child.replaced = True
            self._child.end(at=self._clock() + END_SECONDS)
        self.step()

    def step(self) -> None:
        """Do what is due."""
        now = self._clock()
        if self._child is not None:
            self._attend(self._child, now)
        if self._child is None and self._start_at is not None and now >= self._start_at:
            self._start(now)

    def patience(self) -> float | None:
        """Seconds until `step` has something to do; None: until something happens."""
        child = self._child
        due = [self._start_at] if child is None else [child.kill_at, child.look_at]
        waits = [moment - self._clock() for moment in due if moment is not None]
        return max(0.0, min(waits)) if waits else None

    def status(self) -> dict[str, Any]:
        """`state`: off, starting, serving or failed; with the address, or the reason."""
        child = self._child
        if self._wanted is None:
            return {"state": "off"}
        if child is not None and child.address:
            memory = process.resident_bytes(child.pid)
            return {"state": "serving", "address": child.address, "pid": child.pid, "memory_rss": memory}
        if self._reason:
            return {"state": "failed", "reason": self._reason}
        return {"state": "starting"}

    def close(self) -> None:
        """End it and wait for that, though not for long."""
        child, self._child, self._wanted, self._start_at = self._child, None, None, None
        if child is not None:
            child.end(at=self._clock() + END_SECONDS)
            if not child.wait(END_SECONDS):
                child.kill()
                child.wait(END_SECONDS)
            child.close()
        self._selector.close()

    # ---

    def _start(self, now: float) -> None:
        self._start_at = None
        assert self._wanted is not None  # noqa: S101 who is not wanted has no time to start
        try:
            require_packages()
            self._child = Child(self._wanted, foreground=self._foreground)
        except (ConsoleMissing, OSError) as error:
            self._failed(str(error), now)
        else:
            self._selector.register(self._child.reader, selectors.EVENT_READ)

    def _attend(self, child: Child, now: float) -> None:
        tells = child.hear()
        if child.address and child.serving_since is None:
            child.serving_since, self._reason = now, ""
            self._log.info("the console is served at %s, pid %d", child.address, child.pid)
        if child.has_ended():
            self._bury(child, now)
        elif child.kill_at is not None and now >= child.kill_at:
            child.kill()
            child.kill_at = now + _LOOK_AGAIN_SECONDS
        elif not tells and child.look_at is None:  # it has closed its pipe: it is about to end, or no use any more
            self._unwatch(child)
            child.end(at=now + END_SECONDS)
        if child.look_at is not None or not tells:
            child.look_at = now + _LOOK_AGAIN_SECONDS

    def _bury(self, child: Child, now: float) -> None:
        child.hear()
        self._unwatch(child)
        child.close()
        self._child = None
        if not child.replaced:
            if child.serving_since is not None and now - child.serving_since >= GOOD_SECONDS:
                self._failures = 0
            self._failed(child.ending(), now)

    def _failed(self, reason: str, now: float) -> None:
        """Said once for each reason; tried again later and later."""
        pause = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 20)
        self._start_at = now + pause
        if reason != self._reason:
            self._reason = reason
            self._log.error("the console is not served: %s; it is tried again and again", reason)

    def _unwatch(self, child: Child) -> None:
        with suppress(KeyError):
            self._selector.unregister(child.reader)


def _import_path() -> str:
    """Where this package is, whatever the working directory holds; then what the daemon was given itself."""
    own = str(Path(taskserver.__file__).resolve().parent.parent)
    return os.pathsep.join(part for part in (own, os.environ.get("PYTHONPATH", "")) if part)
