"""Commands of the system that an installation runs: from fixed folders, no shell, told as a person types them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from taskserver.errors import EXIT_NOT_INSTALLED, TaskServerError
from taskserver.texts import mark

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class ToolMissing(TaskServerError):
    text = mark("there is no command {tool} in {folders}; {hint}")
    exit_code = EXIT_NOT_INSTALLED


class ToolFailed(TaskServerError):
    text = mark(
        "`{command}` has failed ({reason}); what was done until then is recorded: call this again when it is "
        "mended, or take it back with `task_server uninstall`"
    )


def shown(argv: Sequence[str]) -> str:
    return shlex.join(argv)


def find(tool: str) -> str | None:
    """The absolute path of a command, as root has it; an absolute one is taken as it is."""
    return shutil.which(tool, path=PATH)


def run(argv: Sequence[str], *, tolerated: Sequence[int] = ()) -> None:
    """Runs one command to its end. Raises ToolFailed with what it said; exit codes in `tolerated` are none."""
    try:
        done = subprocess.run(
            [find(argv[0]) or argv[0], *argv[1:]],
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise ToolFailed(command=shown(argv), reason=error.strerror) from None
    if done.returncode and done.returncode not in tolerated:
        said = " ".join(done.stdout.decode(errors="replace").split())
        raise ToolFailed(command=shown(argv), reason=f"exit code {done.returncode}{': ' if said else ''}{said}")


def answer(argv: Sequence[str]) -> str | None:
    """What a harmless question to the system prints; None if it can't be asked or the command fails."""
    found = find(argv[0])
    if found is None:
        return None
    try:
        done = subprocess.run(
            [found, *argv[1:]],
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
