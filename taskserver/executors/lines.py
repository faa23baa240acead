"""Bytes of a command's stream as blocks of whole lines, and the progress that lines may tell.

Everything works on blocks, since a flooding command must not cost Python code for each of its lines.
"""

from __future__ import annotations

import re

from taskserver.executors.storable import LINE_BYTES

_PROGRESS = re.compile(r"PROGRESS\s+(?P<percent>\d+(?:\.\d+)?)\s*%?(?:\s+(?P<detail>.*))?")


class Lines:
    """Assembles one stream. A line longer than LINE_BYTES comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._broken = False
        self.continued = False
        """Whether the lines last returned begin with a further piece of a line."""

    def feed(self, data: bytes) -> str:
        """The lines that `data` has completed, each with its newline; an empty text if none."""
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        broken = len(self._rest) > LINE_BYTES
        if broken:
            whole, newline, self._rest = whole + newline + self._rest, b"\n", b""
        if not newline:
            return ""
        self.continued, self._broken = self._broken, broken
        return _decoded(whole) + "\n"

    def end(self) -> str:
        """The last line, if the stream ended without a newline."""
        rest, self._rest = self._rest, b""
        if not rest:
            return ""
        self.continued, self._broken = self._broken, False
        return _decoded(rest) + "\n"


def _decoded(data: bytes) -> str:
    text = data.decode(errors="replace")
    if "\r" in text:  # what a terminal would show at last
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return text


def split_progress(block: str) -> tuple[str, tuple[float, str | None] | None]:
    """The block without its `PROGRESS 40 page 12` lines, and what the last of them says."""
    if "PROGRESS" not in block:
        return block, None
    progress, kept = None, []
    for line in block.split("\n"):
        match = _PROGRESS.fullmatch(line) if line.startswith("PROGRESS") else None
        if match:
            progress = match
        else:
            kept.append(line)
    if progress is None:
        return block, None
    return "\n".join(kept), (min(float(progress["percent"]), 100.0), progress["detail"])


def last_line(block: str, *, continued: bool, limit: int) -> str:
    """The last line of a block that is not blank, its last `limit` characters; what misses its beginning has `…`.

    `continued`: the block begins within a line.
    """
    tail = block[-limit:]
    _, newline, last = tail.rstrip().rpartition("\n")
    last = last.strip()
    begins_within = not newline and (continued or len(tail) < len(block))
    return "…" + last if last and begins_within else last
