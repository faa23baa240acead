"""The files of an SQLite database before they are opened: plain ones, or not yet there.

SQLite itself follows whatever bears the name. Asked by the dialect for each new connection.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from taskserver.database.errors import FileRefused
from taskserver.texts import translate

BESIDE = ("-wal", "-shm", "-journal")


def refuse_planted(name: str) -> None:
    """Raises FileRefused for a link, a FIFO, a device or a folder, also in the place of what lies beside it.

    The database itself may be reached by a symbolic link; SQLite then works beside its target.
    """
    file = os.path.realpath(name)
    for path in (file, *(file + suffix for suffix in BESIDE)):
        try:
            status = os.lstat(path)
        except OSError:
            continue  # not there yet; what else is wrong SQLite will say
        if stat.S_ISLNK(status.st_mode):
            raise FileRefused(file=Path(path), reason=translate("it is a symbolic link"))
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused(file=Path(path), reason=translate("it is not a plain file"))
        if status.st_nlink > 1:
            raise FileRefused(file=Path(path), reason=translate("it has a second name (hard link)"))
