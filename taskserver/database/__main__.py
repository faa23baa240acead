"""Makes or upgrades the schema of the database whose URL stands on standard input (see `upgrade_apart`)."""

from __future__ import annotations

import os
import sys

from taskserver.database.engine import Database
from taskserver.database.errors import DatabaseUnavailable
from taskserver.database.upgrade import upgrade
from taskserver.errors import TaskServerError


def main() -> int:
    try:
        upgrade(Database(sys.stdin.read().strip()))
    except DatabaseUnavailable as error:
        sys.stderr.write(f"{error.fields.get('reason', error)}\n")
        return os.EX_TEMPFAIL
    except TaskServerError as error:
        sys.stderr.write(f"{error.fields.get('reason', error)}\n")
        return 1
    return 0


raise SystemExit(main())
