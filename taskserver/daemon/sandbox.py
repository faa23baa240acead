"""What a service manager's sandbox forbids, in words that say which setting opens it."""

from __future__ import annotations

import errno

from taskserver.texts import system_words, translate


def reason(error: OSError) -> str:
    """Why a folder or file can't be used: the system's words, or for a read-only place what to do about it."""
    if error.errno == errno.EROFS:
        return translate(
            "it is read-only for this process; under systemd, set users_dir to the unit's StateDirectory=, "
            "such as /var/lib/taskserver, or name the folder in ReadWritePaths= of the unit"
        )
    return system_words(error.strerror) or str(error)
