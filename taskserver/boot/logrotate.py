"""The snippet for /etc/logrotate.d: how the log of one service is rotated, and how the daemon learns of it.

The daemon is told by its own control program, which works the same under every init system, without one, and
beside a faulty configuration. Reads and writes nothing.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from taskserver.boot.site import Site

_SNIPPET = """\
# Written by `task_server install`; `task_server uninstall` takes it back.
{log} {{
    weekly
    rotate 8
    missingok
    notifempty
    compress
    delaycompress
{owner}    postrotate
        {reload}
    endscript
}}
"""
_CAUGHT = """
# what the supervisor has caught of the daemon's standard error
{log} {{
    weekly
    rotate 8
    missingok
    notifempty
    compress
    copytruncate
}}
"""


def snippet(site: Site, *, own_folder: bool, caught: Path | None = None) -> str | None:
    """The text, or None if there is no file to rotate.

    `own_folder`: the log lies in a folder of the user, where root does not work as root. `caught`: a file of the
    init system into which the foreground daemon's output goes.
    """
    parts = []
    if site.log_file is not None:
        su = f"    su {site.user} {site.group}\n" if own_folder else ""
        owner = f"{su}    create 0640 {site.user} {site.group}\n"
        words = (*site.arguments, "--users-dir", str(site.users_dir), "reload", "--rotated")
        parts.append(_SNIPPET.format(log=_pattern(site.log_file), owner=owner, reload=shlex.join(words)))
    if caught is not None:
        parts.append(_CAUGHT.format(log=_pattern(caught)))
    return "".join(parts).lstrip("\n") or None


def _pattern(path: Path) -> str:
    """The path as logrotate reads it: quoted where it must be, nothing in it stands for other names."""
    escaped = re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path))
    return escaped if re.fullmatch(r"[\w./+,:@%=-]+", escaped, re.ASCII) else f'"{escaped}"'
