"""The pipe from a starting daemon to whoever called `start`, who may be root."""

from __future__ import annotations

import os
import threading

from taskserver.daemon import readiness
from taskserver.daemon.readiness import Pipe


def test_what_the_daemon_says_arrives_in_order():
    reader, writer = os.pipe()
    pipe = Pipe(writer)
    pipe.waiting("for it")
    pipe.ready()
    pipe.waiting("too late: the pipe is closed")

    assert list(readiness.messages(reader)) == [{"waiting": "for it"}, {"ready": os.getpid()}]


def test_a_line_without_an_end_is_taken_in_pieces(monkeypatch):
    monkeypatch.setattr(readiness, "_LONGEST_LINE", 1000)
    reader, writer = os.pipe()
    pieces = []
    loads = readiness.json.loads
    monkeypatch.setattr(readiness.json, "loads", lambda line: pieces.append(len(line)) or loads(line))

    def flood() -> None:
        os.write(writer, b"x" * 20_000)
        os.write(writer, b'\n{"ready": 1}\n')
        os.close(writer)

    thread = threading.Thread(target=flood)
    thread.start()
    heard = list(readiness.messages(reader))
    thread.join()

    assert heard == [{"ready": 1}]
    assert max(pieces) == 1000
