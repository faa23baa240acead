"""The bytes of a configuration file and what its permissions say. Nothing is parsed here.

A file is read at most once per load, and never without bound: `-c /dev/zero` ends as a fault.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from taskserver.config.faults import ConfigurationError, Fault
from taskserver.texts import mark

LARGEST_FILE = 1 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SUFFIXES = {".toml": "toml", ".ini": "ini", ".conf": "ini"}


@dataclass(frozen=True)
class Source:
    """A configuration file as it was read."""

    file: Path
    format: str
    """"toml" or "ini"."""
    content: bytes
    """Without a byte order mark."""
    mode: int
    """The permission bits."""
    gid: int = 0
    """The group that the file belongs to."""

    def fault(self, template: str, *, line: int | None = None, **fields: object) -> Fault:
        return Fault(self.file, "", line, template, fields)


def read_source(path: Path) -> Source:
    """Raises ConfigurationError for a file that is missing, unreadable, no file, too large or of no known kind."""
    try:
        content, status = _read(path)
    except FileNotFoundError:
        raise _refused(path, mark("there is no such file")) from None
    except PermissionError:
        raise _refused(
            path, mark("may not be read by user id {uid}; give that user the right to read it"), uid=os.geteuid()
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(path, mark("can't be read: {reason}"), reason=reason) from None
    if len(content) > LARGEST_FILE:
        raise _refused(path, mark("is larger than {most} bytes; this can't be a configuration"), most=LARGEST_FILE)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, mark("is written in UTF-16; save it as UTF-8"))
    return Source(
        path, _format(path), content.removeprefix(_BYTE_ORDER_MARK), stat.S_IMODE(status.st_mode), status.st_gid
    )


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    # O_NONBLOCK: opening a FIFO that nobody writes to must not hang
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise _refused(path, mark("is a directory; name the file in it"))
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, mark("is not a regular file"))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST_FILE + 1), status
    finally:
        os.close(descriptor)


def _format(path: Path) -> str:
    # the last ending that is known: kivitendo.conf.default is an INI file
    for suffix in reversed(path.suffixes):
        if suffix.lower() in _SUFFIXES:
            return _SUFFIXES[suffix.lower()]
    raise _refused(path, mark("its name must end in .toml, .ini or .conf, which tells how it is written"))


def _refused(path: Path, template: str, **fields: object) -> ConfigurationError:
    return ConfigurationError([Fault(path, "", None, template, fields)])
