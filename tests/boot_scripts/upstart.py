"""A supervisor that treats a job file as upstart does, as far as one foreground service goes.

It reads the stanzas that matter there (exec, expect stop, respawn, respawn limit, normal exit, kill signal, kill
timeout, umask) and obeys them; any other stanza that changes how the process runs is refused, so that no test
passes because of one that was overlooked.
"""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WITHOUT_EFFECT_HERE = {"description", "author", "start", "stop", "console", "reload"}


@dataclass(frozen=True)
class Job:
    """What a job file says."""

    argv: tuple[str, ...]
    umask: int
    expects_stop: bool
    respawns: bool
    respawn_limit: tuple[int, float]
    normal_exit: frozenset[int]
    kill_signal: signal.Signals
    kill_timeout: float

    @classmethod
    def read(cls, file: Path) -> Job:
        """Raises KeyError for a stanza that this supervisor does not know."""
        stanzas: dict[str, list[str]] = {}
        for line in file.read_text().splitlines():
            words = shlex.split(line, comments=True)
            if not words or words[0] in WITHOUT_EFFECT_HERE:
                continue
            two = " ".join(words[:2])
            name = two if two in ("respawn limit", "normal exit", "kill signal", "kill timeout") else words[0]
            stanzas[name] = words[len(name.split()) :]
        job = cls(
            argv=tuple(stanzas.pop("exec")),
            umask=int(stanzas.pop("umask", ["022"])[0], 8),
            expects_stop=stanzas.pop("expect", []) == ["stop"],
            respawns=stanzas.pop("respawn", None) is not None,
            respawn_limit=_limit(stanzas.pop("respawn limit", ["10", "5"])),
            normal_exit=frozenset(int(code) for code in stanzas.pop("normal exit", []) if code.isdigit()),
            kill_signal=signal.Signals[f"SIG{stanzas.pop('kill signal', ['TERM'])[0]}"],
            kill_timeout=float(stanzas.pop("kill timeout", ["5"])[0]),
        )
        if stanzas:
            raise KeyError(*stanzas)
        return job


def _limit(words: list[str]) -> tuple[int, float]:
    return int(words[0]), float(words[1])


class Upstart:
    """One job: `start`, then look at `state`, `pids` and `killed`, then `stop`."""

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        self.job = job
        self.state = "stop/waiting"
        """As `initctl status` says it: goal/state."""
        self.pids: list[int] = []
        self.killed = False
        self._environment = dict(environment)
        self._spawned: deque[float] = deque()
        self._goal_stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._watcher.start()

    def stop(self) -> None:
        """Send the kill signal; after the kill timeout SIGKILL."""
        self._goal_stop.set()
        self.state = "stop/killed"
        os.kill(self.pids[-1], self.job.kill_signal)
        self._watcher.join(self.job.kill_timeout)
        if self._watcher.is_alive():
            self.killed = True
            os.kill(self.pids[-1], signal.SIGKILL)
            self._watcher.join()

    def _watch(self) -> None:
        while self._may_spawn():
            pid = self._spawn()
            status = self._outlive(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._goal_stop.is_set() or code in self.job.normal_exit or not self.job.respawns:
                break
        self.state = "stop/waiting"

    def _may_spawn(self) -> bool:
        """Respawned more often than the limit within its interval, a job is given up."""
        count, interval = self.job.respawn_limit
        now = time.monotonic()
        while self._spawned and self._spawned[0] < now - interval:
            self._spawned.popleft()
        self._spawned.append(now)
        return len(self._spawned) <= count + 1

    def _spawn(self) -> int:
        self.state = "start/spawned" if self.job.expects_stop else "start/running"
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", f'umask {self.job.umask:03o}; exec "$@"', "sh", *self.job.argv],
            self._environment,
            setsid=True,
        )
        self.pids.append(pid)
        return pid

    def _outlive(self, pid: int) -> int:
        """Until it ends. A process that stops itself is ready, and goes on."""
        while True:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                return status
            if os.WSTOPSIG(status) == signal.SIGSTOP and self.state == "start/spawned":
                self.state = "start/running"
            os.kill(pid, signal.SIGCONT)
