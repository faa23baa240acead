"""The log on standard error, whoever reads it, and what every record looks like there."""

from __future__ import annotations

import contextlib
import logging
import os

import pytest
from log_readers import record

from taskserver.daemon.logs import formats
from taskserver.daemon.logs.handler import Patience
from taskserver.daemon.logs.stream import StreamHandler


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


def test_a_reader_that_sleeps_holds_nobody_up_and_hears_what_was_lost(pipe):
    reader, writer = pipe
    handler = StreamHandler(writer, formats.text)
    handler._patience[False] = Patience(0.0)
    for number in range(1000):
        handler.handle(record("line %d %s", number, "x" * 500))
    os.read(reader, 1 << 20)

    handler.handle(record("afterwards"))

    said = os.read(reader, 1 << 20).decode().splitlines()
    assert "log lines could not be written: nobody reads standard error" in said[-2]
    assert said[-1].endswith("INFO x: afterwards")


def test_a_reader_that_has_gone_is_not_missed(pipe):
    reader, writer = pipe
    handler = StreamHandler(writer, formats.text)
    os.close(reader)

    handler.handle(record("x"))
    os.close(writer)
    handler.handle(record("x"))

    assert handler.lost == 2


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("form", [formats.text, formats.prioritized, formats.json_with("erp1")])
@pytest.mark.parametrize(
    ("text", "arguments"), [("%d", ("no number",)), ("%s", (Unprintable(),)), ("lone \udc80 surrogate", ())]
)
def test_no_record_is_too_odd_to_be_logged(pipe, form, text, arguments):
    reader, writer = pipe
    handler = StreamHandler(writer, form)

    handler.handle(record(text, *arguments))
    handler.handle(logging.LogRecord("x", logging.INFO, "x.py", 1, Unprintable(), (), None))
    handler.handle(record("next"))

    assert "next" in os.read(reader, 65536).decode().splitlines()[-1]


def test_control_characters_reach_no_terminal():
    line = formats.text(record("red \x1b[31m and back\r\x08\x9b2J, tab\t stays\r\nnext"))

    assert line.endswith("INFO x: red \\x1b[31m and back\\x0d\\x08\\x9b2J, tab\t stays\n    next")
