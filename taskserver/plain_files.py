"""What stands in the place of a file that must be a plain one: a reason to refuse it, in the language in use.

Asked before a file is opened, made or believed that another user may have put there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from taskserver.texts import translate


def fault(status: os.stat_result) -> str:
    """Why it is no plain file with one name; "" for one that is."""
    if reason := kind_fault(status):
        return reason
    return translate("it has a second name (hard link)") if status.st_nlink > 1 else ""


def kind_fault(status: os.stat_result) -> str:
    """The same for a file that may have several names."""
    if stat.S_ISLNK(status.st_mode):
        return translate("it is a symbolic link")
    if stat.S_ISDIR(status.st_mode):
        return translate("it is a folder")
    return "" if stat.S_ISREG(status.st_mode) else translate("it is not a plain file")


def kind_fault_at(path: Path) -> str:
    """The same for what bears the name, links not followed; "" where nothing does, or it can't be seen."""
    try:
        return kind_fault(path.lstat())
    except OSError:
        return ""


def fault_at(path: Path) -> str:
    """`fault` for what bears the name, links not followed; "" where nothing does, or it can't be seen."""
    try:
        return fault(path.lstat())
    except OSError:
        return ""
