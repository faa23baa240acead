"""Secrets that a service manager hands to the daemon: files in $CREDENTIALS_DIRECTORY, made by LoadCredential=.

Only the daemon sees them; commands in a shell read the file that the configuration names.
"""

from __future__ import annotations

import os
from pathlib import Path

DATABASE_PASSWORD = "database_password"  # noqa: S105  a name, not a password


def credential(name: str) -> Path | None:
    """The file of a credential; None where there is none of this name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    file = Path(folder, name)
    return file if os.path.lexists(file) else None
