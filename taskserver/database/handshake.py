"""Why a PostgreSQL server turned a connection away, as an SQLSTATE: in whatever language its messages are.

libpq keeps the code of a failed handshake to itself and gives away only the message, which the server may have
translated (`lc_messages`). Its trace shows the code, so a connection that has failed is tried once more with the
trace on. Called by the PostgreSQL dialect; knows nothing of what a code means.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

PATIENCE_SECONDS = 5.0
"""For the second try: what turned the first away did so at once."""

NO_PASSWORD = "28P01"  # noqa: S105 a code
"""What the server would have said: libpq gives up by itself where it has no password to send."""

_CODE = re.compile(r'^B\t\d+\tErrorResponse\t S "[^"]*"(?: V "[^"]*")? C "([0-9A-Z]{5})"', re.MULTILINE)


class Refusals:
    """The SQLSTATE of failed connections to one server.

    The same message has the same code, so a database that refuses us for days is asked twice only the first time:
    each trace costs some kilobytes that libpq never gives back.
    """

    def __init__(self) -> None:
        self._last: tuple[str, str | None] = ("", None)

    def code(self, message: str, words: Mapping[str, Any]) -> str | None:
        """The code behind `message`, with which connecting by `words` has failed; None if no server spoke."""
        last = self._last
        if message != last[0]:
            self._last = last = (message, _ask_again(words))
        return last[1]


def _ask_again(words: Mapping[str, Any]) -> str | None:
    from psycopg import Error, pq
    from psycopg.conninfo import make_conninfo

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    conninfo = make_conninfo("", **{name: value for name, value in words.items() if name in known})
    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        if connection.status == pq.ConnStatus.BAD:
            return None  # nobody is there
        with _trace() as file:
            _connect(connection, file.fileno())
            file.seek(0)
            found = _CODE.findall(file.read())
        if found:
            return str(found[-1])  # the last one: there may be several hosts, and tries with and without TLS
        return NO_PASSWORD if connection.needs_password else None
    except Error:  # a libpq without a trace
        return None
    finally:
        connection.finish()


def _trace() -> TextIO:
    """A nameless file in memory for what libpq writes down, which may be a password."""
    return os.fdopen(os.memfd_create("handshake", os.MFD_CLOEXEC), encoding="utf-8", errors="replace")


def _connect(connection: PGconn, trace: int) -> None:
    """With the trace on, to the end or until patience is over."""
    from psycopg import pq

    connection.trace(trace)
    connection.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    events = {int(pq.PollingStatus.READING): select.POLLIN, int(pq.PollingStatus.WRITING): select.POLLOUT}
    with contextlib.suppress(OSError):
        while (event := events.get(connection.connect_poll())) and (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(connection.socket, event)
            poll.poll(left * 1000)
    connection.untrace()  # what is still in its buffer is written now
