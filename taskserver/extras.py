"""How an optional part of this very installation is installed, as a command to type.

Never by the name of the package alone: in the public index that name belongs to another project.
"""

from __future__ import annotations

import shlex
import sys
from importlib import metadata
from pathlib import Path


def installing(extra: str) -> str:
    """The command that adds `extra`: from the clone, or where there is none the packages that it consists of."""
    clone = Path(__file__).resolve().parent.parent
    what = ["-e", f"{clone}[{extra}]"] if (clone / "setup.cfg").exists() else packages(extra)
    return shlex.join([sys.executable, "-m", "pip", "install", *what])


def packages(extra: str) -> list[str]:
    """The requirements of `extra` as the installed package declares them, "fastapi>=0.110" for one."""
    declared = [line.partition(";") for line in metadata.requires("taskserver") or ()]
    return [needed.strip() for needed, _, marker in declared if extra in shlex.split(marker)]
