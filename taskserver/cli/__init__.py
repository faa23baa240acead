"""The control program `task_server`.

Called by the console script and by `scripts/task_server.py`. Each command lives in a module of its own that is
imported when it is asked for; whatever is heavy is imported inside the command, so that `status` costs little.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` without the program's name, default sys.argv[1:]."""
    from taskserver.cli.program import run

    return run(argv)
