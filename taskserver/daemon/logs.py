"""Where the daemon's log goes: a file that can be rotated, standard error, or syslog; as text or JSON lines.

Opened by the daemon after it has detached, reopened at a reload. A log that cannot be written (full disk) never
stops the work: lines are lost, counted, and the count is logged once writing works again. Logs are English.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import stat
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, TextIO

from taskserver.clock import to_rfc3339
from taskserver.daemon.folders import FILE_MODE, LogRefused
from taskserver.texts import translate

Format = Literal["text", "json", "syslog"]

SYSLOG_SOCKET = "/dev/log"

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class LogSettings(Protocol):
    """The part of the configuration that the log needs."""

    @property
    def log_file(self) -> Path | None: ...
    @property
    def log_format(self) -> Format: ...
    @property
    def debug(self) -> bool: ...


class Logs:
    """The log of this process. `open` once, `reopen` after a rotation, `close` at the end."""

    def __init__(self, *, foreground: bool) -> None:
        self.logger = logging.getLogger("taskserver")
        self._foreground = foreground
        self._handler: logging.Handler | None = None

    def open(self, settings: LogSettings) -> None:
        """Log according to `settings`; in the foreground to standard error. Raises LogRefused."""
        self._install(self._make_handler(settings), settings)
        logging.captureWarnings(True)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

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

    def _install(self, handler: logging.Handler, settings: LogSettings) -> None:
        root = logging.getLogger()
        root.addHandler(handler)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        self._handler = handler
        root.setLevel(logging.INFO)
        self.logger.setLevel(logging.DEBUG if settings.debug else logging.INFO)
        if isinstance(handler, FileHandler) and not self._foreground and settings.log_format == "text":
            os.dup2(handler.descriptor, 1)  # what a library or a dying interpreter prints is kept as well
            os.dup2(handler.descriptor, 2)

    def _make_handler(self, settings: LogSettings) -> logging.Handler:
        handler: logging.Handler
        if settings.log_format == "syslog" and not self._foreground:
            handler = SyslogHandler()
            handler.setFormatter(logging.Formatter("taskserver[%(process)d]: %(levelname)s %(name)s %(message)s"))
            return handler
        if self._foreground or settings.log_file is None:
            handler = ErrorStreamHandler(sys.stderr)
        else:
            handler = FileHandler(settings.log_file)
        handler.setFormatter(self._formatter(settings))
        return handler

    def _formatter(self, settings: LogSettings) -> logging.Formatter:
        if settings.log_format == "json":
            return JsonFormatter()
        if self._foreground and goes_to_journal(os.environ):
            return JournalFormatter("%(name)s: %(message)s")
        return TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.logger.critical("an error was not handled", exc_info=(kind, error, trace))

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "?"
        text = "".join(
            traceback.format_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        )
        self.logger.critical("an error was not handled in the thread %s\n%s", name, text)


class FileHandler(logging.Handler):
    """Appends whole lines to a file with one write each, and survives that they cannot be written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.descriptor = open_log(path)
        self._lost = 0
        self._reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        except (TypeError, ValueError):  # a record whose arguments do not fit its message
            line = f"{record.levelname} {record.name}: {record.msg!r} {record.args!r}\n".encode(errors="replace")
        if self._lost and not self._write(self._about_the_lost(record)):
            self._lost += 1
            return
        self._lost = 0
        if not self._write(line):
            self._lost = 1

    def close(self) -> None:
        self.acquire()
        try:
            if self.descriptor >= 0:
                os.close(self.descriptor)
                self.descriptor = -1
        finally:
            self.release()
        super().close()

    def _write(self, line: bytes) -> bool:
        if self.descriptor < 0:
            return False
        try:
            written = os.write(self.descriptor, line)
        except OSError as error:
            self._reason = error.strerror or str(error)
            return False
        return written == len(line)

    def _about_the_lost(self, record: logging.LogRecord) -> bytes:
        note = logging.LogRecord(
            record.name,
            logging.WARNING,
            record.pathname,
            record.lineno,
            "%d log lines could not be written: %s",
            (self._lost, self._reason),
            None,
        )
        return (self.format(note) + "\n").encode()


class ErrorStreamHandler(logging.StreamHandler[TextIO]):
    """Standard error. Nobody reads it any more: then nobody misses it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return


class SyslogHandler(logging.handlers.SysLogHandler):
    """The machine's syslog. Raises LogRefused where there is none; one that goes away may come back."""

    def __init__(self) -> None:
        if not Path(SYSLOG_SOCKET).exists():
            raise LogRefused(path=SYSLOG_SOCKET, reason=translate("there is no syslog on this machine"))
        super().__init__(SYSLOG_SOCKET, logging.handlers.SysLogHandler.LOG_DAEMON)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return


class TextFormatter(logging.Formatter):
    """One line per record, times in UTC; further lines of a message are set in."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return to_rfc3339(datetime.fromtimestamp(record.created, UTC))

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n    ")


class JournalFormatter(logging.Formatter):
    """For standard error under systemd: the priority first, no time, each line with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at, level, logger, message and, where there is one, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": to_rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def open_log(path: Path) -> int:
    """A descriptor that appends to the plain file at `path`, made with mode 0640. Raises LogRefused."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as error:
        raise LogRefused(path=path, reason=error.strerror) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LogRefused(path=path, reason=translate("it is not a plain file"))
    return descriptor


def tail(path: Path | None, *, lines: int = 10) -> list[str]:
    """The last lines of a log, for somebody who waits for a daemon that has died; [] if it cannot be read."""
    if path is None:
        return []
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
            return log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def goes_to_journal(environment: Mapping[str, str]) -> bool:
    """Whether standard error is the journal's own stream: JOURNAL_STREAM names its device and inode."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
