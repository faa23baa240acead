"""The log in syslog: what any reader of /dev/log understands, and one that is slow, away or restarted."""

from __future__ import annotations

import logging
import os
import re
import socket

import pytest
from log_readers import CLAIM, FakeSyslog, record

from taskserver.daemon.logs import channel
from taskserver.daemon.logs.channel import NobodyTakesLogs
from taskserver.daemon.logs.handler import Patience
from taskserver.daemon.logs.syslog import MOST_BYTES, MOST_MESSAGES, SyslogHandler
from taskserver.log_fields import about

pytestmark = pytest.mark.slow

HEAD = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d taskserver\[(\d+)\]: (.*)", re.DOTALL)


@pytest.fixture(params=[socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagrams", "stream"])
def syslog(request, tmp_path):
    made = FakeSyslog(tmp_path / "log", request.param)
    yield made
    made.go()


@pytest.fixture
def handler(syslog):
    made = SyslogHandler(socket=syslog.path)
    yield made
    made.close()


def parts(message: str) -> tuple[int, int, str]:
    found = HEAD.fullmatch(message)
    assert found, message
    return int(found[1]), int(found[2]), found[3]


def test_a_message_has_priority_name_and_process(handler, syslog):
    handler.handle(record("ready", level=logging.INFO))
    handler.handle(record("it broke", level=logging.ERROR, **about(CLAIM)))

    first, second = syslog.messages(2)
    assert parts(first) == (3 << 3 | 6, os.getpid(), "INFO x: ready")
    assert parts(second) == (
        3 << 3 | 3,
        os.getpid(),
        "ERROR x [job=4711 run=12 task=invoices.create client=acme]: it broke",
    )


def test_each_line_is_a_message_of_its_own(handler, syslog):
    handler.handle(record("a\nb\x1b[2J\0c"))

    assert [parts(message)[2] for message in syslog.messages(2)] == ["INFO x: a", "    b\\x1b[2J\\x00c"]


def test_a_long_line_comes_in_pieces_of_whole_characters(handler, syslog):
    handler.handle(record("ü" * 1500))

    messages = syslog.messages(4)
    texts = [parts(message)[2] for message in messages]
    assert all(len(message.encode()) <= MOST_BYTES for message in messages)
    assert "".join(text.removeprefix("    ") for text in texts) == "INFO x: " + "ü" * 1500


def test_a_record_never_becomes_a_flood_of_messages(handler, syslog, monkeypatch):
    monkeypatch.setattr("taskserver.daemon.logs.syslog.MOST_MESSAGES", 5)
    assert MOST_MESSAGES > 5

    handler.handle(record("line\n" * 100))

    texts = [parts(message)[2].strip() for message in syslog.messages(6)]
    assert texts == ["INFO x: line", *["line"] * 4, "… the rest is left out"]


def test_after_a_restart_of_syslog_it_goes_on(handler, syslog):
    handler.handle(record("before"))
    syslog.messages(1)
    syslog.go()
    handler.handle(record("lost"))
    restarted = FakeSyslog(syslog.path, syslog.kind)

    for _ in range(2):  # a stream tells only after a first write that its reader has gone
        handler.handle(record("after"))

    texts = [parts(message)[2] for message in restarted.messages(2)]
    assert "INFO x: after" in texts
    assert any("1 log lines could not be written" in text for text in texts)
    restarted.go()


def test_it_may_come_back_as_another_kind_of_socket(tmp_path):
    first = FakeSyslog(tmp_path / "log", socket.SOCK_DGRAM)
    handler = SyslogHandler(socket=first.path)
    first.go()
    second = FakeSyslog(tmp_path / "log", socket.SOCK_STREAM)

    handler.handle(record("after"))

    assert parts(second.messages(1)[0])[2] == "INFO x: after"
    handler.close()
    second.go()


def test_a_full_syslog_holds_nobody_up(syslog, monkeypatch):
    """Each line that waited would wait for 20 s; patience is at its end."""
    monkeypatch.setattr(channel, "LONGEST_WAIT_SECONDS", 20.0)
    handler = SyslogHandler(socket=syslog.path)
    handler._patience[False] = Patience(0.0)
    handler._channel._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)

    for number in range(1500):
        handler.handle(record("line %d %s", number, "x" * 900))

    assert handler.lost > 0
    handler.close()


def test_without_syslog_it_says_so(tmp_path):
    with pytest.raises(NobodyTakesLogs, match='log_format = "syslog"'):
        SyslogHandler(socket=tmp_path / "log")
