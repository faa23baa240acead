"""The lines of one run, bounded: the first part is handed on live, of the rest only the end is kept.

Filled by the run's task or its command, from any thread; emptied by the dispatcher through the pool.
"""

from __future__ import annotations

from collections import deque
from threading import Lock

from taskserver.clock import Clock
from taskserver.executors.storable import LINE_BYTES, storable
from taskserver.jobs import OutputLine

OUTPUT_BYTES = 1024 * 1024
HEAD_LINES = 10_000
TAIL_LINES = 10_000


class Output:
    """Keeps at most `limit` bytes: half from the beginning, half from the end, a line about what is between."""

    def __init__(self, limit: int = OUTPUT_BYTES, *, clock: Clock) -> None:
        self._limit = max(0, limit)
        self._clock = clock
        self._lock = Lock()
        self._pending: list[OutputLine] = []
        self._seq = 0
        self._head_left = self._limit - self._limit // 2
        self._overflowing = False
        self._tail: deque[tuple[str, str]] = deque()
        self._tail_size = 0
        self._left_out = 0
        self._ended = False

    def add(self, stream: str, text: str) -> None:
        """Keep `text`: one line or several. What comes after `end` is ignored."""
        with self._lock:
            if self._ended:
                return
            rest = text if self._overflowing else self._add_to_head(stream, text)
            if rest:
                self._add_to_tail(stream, rest)

    def take(self) -> list[OutputLine]:
        """The lines since the last call. Cheap when there are none."""
        if not self._pending:
            return []
        with self._lock:
            lines, self._pending = self._pending, []
            return lines

    def end(self) -> None:
        """Nothing more will come: what is kept of the end follows, after a line that says what was left out."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            lines = [(stream, line) for stream, text in self._tail for line in _lines(text)]
            self._tail.clear()
            dropped, lines = lines[:-TAIL_LINES], lines[-TAIL_LINES:]
            self._left_out += sum(len(line) + 1 for _, line in dropped)
            if self._left_out:
                self._append("server", f"… {self._left_out} characters left out …")
            for stream, line in lines:
                self._append(stream, line)

    def _add_to_head(self, stream: str, text: str) -> str:
        """Hands on what fits and returns the rest."""
        lines = _lines(text)
        for number, line in enumerate(lines):
            size = len(line.encode(errors="replace")) + 1
            if size > self._head_left or self._seq >= HEAD_LINES:
                self._overflowing = True
                return "\n".join(lines[number:]) + "\n"
            self._head_left -= size
            self._append(stream, line)
        return ""

    def _add_to_tail(self, stream: str, text: str) -> None:
        text = text if text.endswith("\n") else text + "\n"
        self._tail.append((stream, text))
        self._tail_size += len(text)
        while self._tail_size > self._limit // 2:
            oldest, first = self._tail.popleft()
            kept = _without_beginning(first, self._tail_size - self._limit // 2)
            self._tail_size -= len(first) - len(kept)
            self._left_out += len(first) - len(kept)
            if kept:
                self._tail.appendleft((oldest, kept))

    def _append(self, stream: str, line: str) -> None:
        self._seq += 1
        self._pending.append(OutputLine(self._seq, self._clock(), stream, storable(line, LINE_BYTES)))


def _without_beginning(text: str, size: int) -> str:
    """The whole lines of `text` that are left when its first `size` characters go."""
    if size >= len(text):
        return ""
    return text[text.find("\n", size - 1) + 1 :]


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1] and len(lines) > 1:
        lines.pop()
    return lines
