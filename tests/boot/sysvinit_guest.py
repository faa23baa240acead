"""System V init as the init of a guest, with Debian's rc, insserv and startpar, and its shutdown scripts."""

from __future__ import annotations

import re
from pathlib import Path

import debian_packages
from machine import Init, Machine
from systemd_guest import empty_init_scripts

PACKAGES = ("sysvinit-core", "sysv-rc", "initscripts", "insserv", "startpar")
SHUTDOWN = ("sendsigs", "umountnfs.sh", "umountfs", "umountroot", "halt", "reboot")
HARMLESS = ("umountnfs.sh", "umountfs", "umountroot")
"""They would switch off the machine's swap, and make the guest's disk read-only for its next boot."""

END_OF_HEADER = "### END INIT INFO\n"
BOOTED = "/run/booted"


def prepare(root: Path) -> None:
    """Debian's init without what needs hardware or a terminal; the order of scripts is left to insserv."""
    empty_init_scripts(root)
    debian_packages.unpack(PACKAGES, root)
    lines = (root / "usr" / "share" / "sysvinit" / "inittab").read_text().splitlines()
    kept = [line for line in lines if not re.search("getty|sulogin|powerfail", line)]
    # init comes to this line when everything before it has ended
    (root / "etc" / "inittab").write_text("\n".join([*kept, f"up:2345:wait:/bin/touch {BOOTED}", ""]))
    (root / "etc" / "fstab").write_text("")
    scripts = root / "etc" / "init.d"
    for name in HARMLESS:
        header, end, _ = (scripts / name).read_text().partition(END_OF_HEADER)
        (scripts / name).write_text(f"{header}{end}exit 0\n")


SYSVINIT = Init(
    argv=("/sbin/init",),
    is_up=("test", "-e", BOOTED),
    poweroff=("poweroff",),
    reboot=("reboot",),
    prepare=prepare,
)


def enable(machine: Machine, name: str) -> str:
    """Switch a script on as its package would; what update-rc.d says: it ends with 0 whatever it says."""
    for each in SHUTDOWN:
        machine.chroot("update-rc.d", each, "defaults")
    return machine.chroot("sh", "-c", f"update-rc.d {name} defaults 2>&1")
