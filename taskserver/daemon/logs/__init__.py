"""The daemon's log: to the journal, to syslog, to a file that can be rotated, or to standard error.

Opened by the daemon after it has detached, reopened at a reload. A log that cannot be written (full disk, a reader
that is slow or away) never stops the work: lines are lost, counted, and the count is logged once writing works
again. Logs are English.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from taskserver.daemon.folders import LogRefused
from taskserver.daemon.logs import formats
from taskserver.daemon.logs.channel import NobodyTakesLogs
from taskserver.daemon.logs.file import FileHandler, open_log, tail
from taskserver.daemon.logs.handler import LogHandler
from taskserver.daemon.logs.journal import JournalHandler
from taskserver.daemon.logs.stream import StreamHandler, goes_to_journal
from taskserver.daemon.logs.syslog import SyslogHandler

__all__ = ["Format", "LogSettings", "Logs", "open_log", "tail"]

Format = Literal["auto", "text", "json", "journal", "syslog"]

STANDARD_ERROR = 2
PRINTED = (1, 2)
"""Where a library or a dying interpreter prints: that is kept as well, where it does not break the format."""


class LogSettings(Protocol):
    """The part of the configuration that the log needs."""

    @property
    def log_file(self) -> Path | None: ...
    @property
    def log_format(self) -> Format: ...
    @property
    def debug(self) -> bool: ...
    @property
    def node_id(self) -> str: ...


class Logs:
    """The log of this process. `open` once, `reopen` after a rotation, `close` at the end.

    Made before the process changes its user: it looks at the environment of whoever has started it.
    """

    def __init__(self, *, foreground: bool) -> None:
        self.logger = logging.getLogger("taskserver")
        self._foreground = foreground
        self._under_systemd = foreground and goes_to_journal(os.environ)
        self._watched = foreground and os.isatty(STANDARD_ERROR)
        self._handler: LogHandler | None = None

    def open(self, settings: LogSettings) -> None:
        """Log according to `settings`. Raises LogRefused."""
        self._install(self._make_handler(settings), settings)
        logging.captureWarnings(True)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

    def require(self, settings: LogSettings) -> None:
        """Raises LogRefused where the service or the file that is to take the log does not."""
        self._make_handler(settings, printed=()).close()

    def reopen(self, settings: LogSettings) -> None:
        """Open the log anew by its name and settings; if that fails, keep the old one and say so in it."""
        try:
            handler = self._make_handler(settings)
        except LogRefused as error:
            self.logger.error("the log stays as it is: %s", error)
            return
        self._install(handler, settings)

    def close(self) -> None:
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()
            self._handler = None

    def _install(self, handler: LogHandler, settings: LogSettings) -> None:
        root = logging.getLogger()
        if self._handler is not None:
            handler.succeed(self._handler)
        root.addHandler(handler)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        self._handler = handler
        root.setLevel(logging.INFO)
        self.logger.setLevel(logging.DEBUG if settings.debug else logging.INFO)

    def _make_handler(self, settings: LogSettings, *, printed: tuple[int, ...] = PRINTED) -> LogHandler:
        """In the foreground a log goes to standard error, unless a service is to take it."""
        log_format = settings.log_format
        if not self._watched:
            if log_format == "syslog":
                return SyslogHandler()
            if log_format == "journal":
                return JournalHandler(settings.node_id)
            if log_format == "auto" and self._under_systemd:
                return _journal_or_stream(settings.node_id)
        form = formats.json_with(settings.node_id) if log_format == "json" else formats.text
        if self._foreground or settings.log_file is None:
            prioritized = self._under_systemd and log_format != "json"
            return StreamHandler(STANDARD_ERROR, formats.prioritized if prioritized else form)
        return FileHandler(settings.log_file, form, streams=() if log_format == "json" else printed)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.logger.critical("an error was not handled", exc_info=(kind, error, trace))

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "?"
        text = "".join(
            traceback.format_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        )
        self.logger.critical("an error was not handled in the thread %s\n%s", name, text)


def _journal_or_stream(node: str) -> LogHandler:
    """Where the journal's socket is out of reach, as below a RootDirectory=, its stream has at least the text."""
    try:
        return JournalHandler(node)
    except NobodyTakesLogs:
        return StreamHandler(STANDARD_ERROR, formats.prioritized)
