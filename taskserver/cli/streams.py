"""The program's standard streams: always there, and never the reason why a command stops halfway.

`program.run` puts them in place around every command. A failure to write is remembered, what follows goes nowhere,
and the command comes to its end with its own exit code. Knows no command and no exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class Output:
    """A text stream that remembers its first failure instead of raising it.

    To flush stdout amid a command still raises: whoever does so shows something that grows, and need not go on
    when nobody can see it.
    """

    def __init__(self, stream: TextIO, *, flush_raises: bool) -> None:
        self._stream = stream
        self._flush_raises = flush_raises
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)
        if self._flush_raises and self.failure is not None:
            raise self.failure

    def finish(self) -> OSError | None:
        """Writes what is left; the first failure. After one the interpreter's own last flush is quiet."""
        with suppress(OSError):
            self.flush()
        try:
            self._stream.flush()
        except OSError:
            self._abandon()
        return self.failure

    def _failed(self, error: OSError) -> None:
        if self.failure is None:
            self.failure = error
        if self._flush_raises:  # stderr may be a daemon's log: it is tried again with the next line
            self._abandon()

    def _abandon(self) -> None:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def outputs() -> Iterator[tuple[Output, Output]]:
    """stdout and stderr as `Output`, in their places for the time of the block."""
    stdout, stderr = sys.stdout, sys.stderr
    out, err = Output(stdout, flush_raises=True), Output(stderr, flush_raises=False)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = stdout, stderr


def open_standard_streams() -> None:
    """Opens on /dev/null what the caller has closed of 0, 1 and 2: no database shall get such a number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 for the process's life
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
