"""OpenRC as the init of a guest: openrc-init as process 1, runlevels that hold nothing but what a test adds."""

from __future__ import annotations

from pathlib import Path

import debian_packages
from machine import Init
from systemd_guest import empty_init_scripts

PACKAGES = ("openrc", "libeinfo1", "librc1", "insserv")


def prepare(root: Path) -> None:
    """Empty runlevels: what they would start needs hardware."""
    empty_init_scripts(root)
    debian_packages.unpack(PACKAGES, root)
    (root / "etc" / "fstab").write_text("")
    for entry in (root / "etc" / "runlevels").glob("*/*"):
        entry.unlink()


OPENRC = Init(
    argv=("/sbin/openrc-init",),
    is_up=("sh", "-c", 'test "$(rc-status --runlevel)" = default && ! pgrep -x openrc'),
    poweroff=("openrc-shutdown", "--poweroff", "now"),
    reboot=("openrc-shutdown", "--reboot", "now"),
    prepare=prepare,
)
