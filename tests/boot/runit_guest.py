"""runit as the init of a guest: process 1 with Debian's three stages, and services that a test links."""

from __future__ import annotations

from pathlib import Path

import debian_packages
from machine import Init
from systemd_guest import empty_init_scripts

PACKAGES = ("runit",)
SERVICES = Path("etc/runit/runsvdir/default")
"""Where a link switches a service on; /etc/service leads there while it runs."""


def prepare(root: Path) -> None:
    """No services and no init scripts but those of the test."""
    empty_init_scripts(root)
    debian_packages.unpack(PACKAGES, root)
    (root / "etc" / "runit" / "no.emulate.sysv").touch()
    (root / "etc" / "runit" / "runsvdir" / "current").symlink_to("default")  # as the package does when installed


RUNIT = Init(
    argv=("/sbin/runit",),
    is_up=("pgrep", "-x", "runsvdir"),
    poweroff=("/lib/runit/runit-init", "0"),
    reboot=("/lib/runit/runit-init", "6"),
    prepare=prepare,
)
