"""The files of an SQLite database before they are opened: plain ones, or not yet there.

SQLite itself follows whatever bears the name. Asked by the dialect for each new connection.
"""

from __future__ import annotations

import os
from pathlib import Path

from taskserver import plain_files
from taskserver.database.errors import FileRefused

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
        if reason := plain_files.fault(status):
            raise FileRefused(file=Path(path), reason=reason)
