"""One command while it runs: its environment, its output, and the outcome when it has ended.

Filled by the thread of `Commands`; the slot's thread waits for `ended`.
"""

from __future__ import annotations

import errno
import os
import pwd
import signal
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from taskserver.clock import to_rfc3339
from taskserver.executors import outcomes
from taskserver.executors.lines import Lines, last_line, split_progress
from taskserver.executors.run import Run
from taskserver.executors.storable import ERROR_BYTES, storable
from taskserver.jobs import Claim, Outcome, Reason
from taskserver.tasks.commands import command_line

if TYPE_CHECKING:
    from taskserver.config import CommandSettings

STREAMS = ("stdout", "stderr")
PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROBLEMS = {
    errno.ENOENT: "was not found",
    errno.EACCES: "may not be executed by this user (permission denied)",
    errno.ENOEXEC: "is neither a binary nor a script with a '#!' line",
    errno.E2BIG: "can't be started: its arguments are too long for the system",
}
LAUNCHER_LOST = "the process that starts commands was killed, and the command with it"


class CommandRun:
    """What is known of one command."""

    def __init__(self, run: Run, settings: CommandSettings) -> None:
        """Raises outcomes.Refused."""
        self.run = run
        self.settings = settings
        values = outcomes.bound(run.task, run.claim)
        self.argv, configured = command_line(settings, values)
        self.environment = {**environment_for(run.claim), **configured}
        self.ended = Event()
        self.signalled = False
        """Whether it was sent a signal because the run is to stop."""
        self._lines = {stream: Lines() for stream in STREAMS}
        self._last_lines = dict.fromkeys(STREAMS, "")
        self._message: dict[str, Any] = {}
        self._problem: str | None = None

    def feed(self, stream: str, data: bytes) -> None:
        self._keep(stream, self._lines[stream].feed(data))

    def _keep(self, stream: str, block: str) -> None:
        block, progress = split_progress(block)
        if progress is not None:
            self.run.report(*progress)
        if not block:
            return
        last = last_line(block, continued=self._lines[stream].continued, limit=ERROR_BYTES)
        self._last_lines[stream] = last or self._last_lines[stream]
        self.run.output.add(stream, block)

    def end(self, message: dict[str, Any], *, problem: str | None = None) -> None:
        """It has ended as the launcher says, or by a problem of our own."""
        self._message, self._problem = message, problem
        for stream in STREAMS:
            self._keep(stream, self._lines[stream].end())
        self.run.output.end()
        self.ended.set()

    def outcome(self) -> Outcome:
        """How the run counts. A run that was told to stop counts as stopped, whatever its exit code."""
        run, message = self.run, self._message
        measured: dict[str, Any] = {"cpu_seconds": message.get("cpu"), "max_rss": message.get("rss")}
        reason = run.stop_reason()
        if reason is not None and (self.signalled or not message):
            return outcomes.asked_to_stop(reason, run.task, run.claim, **measured)
        if self._problem is not None:
            return outcomes.failed(self._problem, run.task, run.claim, reason=Reason.KILLED, **measured)
        if message["event"] == "refused":
            return outcomes.failed(refusal(message, self), run.task, run.claim)
        if message["signal"] is not None:
            name = signal_name(message["signal"])
            return outcomes.failed(f"killed by {name}", run.task, run.claim, reason=Reason.KILLED, **measured)
        if message["code"] in self.settings.success_exit_codes:
            return outcomes.finished(self._last_lines["stdout"] or None, **measured)
        last = self._last_lines["stderr"]
        error = f"exit code {message['code']}" + (f": {last}" if last else "")
        return outcomes.failed(error, run.task, run.claim, **measured)


def environment_for(claim: Claim) -> dict[str, str]:
    """The minimal environment of a command: where to find programs, and for whom it works."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment.setdefault("PATH", DEFAULT_PATH)
    if "HOME" not in environment:
        environment["HOME"] = _home()
    environment |= {
        "TASKSERVER_JOB_ID": str(claim.job_id),
        "TASKSERVER_RUN_ID": str(claim.run_id),
        "TASKSERVER_CLIENT": claim.client,
        "TASKSERVER_LOGIN": claim.login,
    }
    if claim.due_at is not None:
        environment["TASKSERVER_DUE_AT"] = to_rfc3339(claim.due_at)
    return environment


def _home() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def refusal(message: dict[str, Any], command: CommandRun) -> str:
    """Why the command could not be started, naming what is at fault."""
    program, folder, number = command.argv[0], command.settings.cwd, message.get("errno")
    if folder is not None and str(message.get("file")) == str(folder):
        problem = {errno.ENOENT: "does not exist", errno.ENOTDIR: "is not a folder"}.get(number or 0)
        return f"the working directory {str(folder)!r} {problem or 'can not be entered: ' + message['text']}"
    if number == errno.ENOENT and "/" in program and (Path(folder or ".") / program).exists():
        return f"the program {program!r} can't be started: the interpreter in its first line was not found"
    problem = _PROBLEMS.get(number or 0) or f"could not be started: {message['text']}"
    return storable(f"the program {program!r} {problem}", ERROR_BYTES)
