"""systemd as the init of a guest: what is taken away so that it boots within a second, and what is asked of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from machine import Init, Machine

PROGRAM = "/lib/systemd/systemd"
MASKED = (
    *("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket"),
    *("systemd-udev-trigger.service", "systemd-timesyncd.service", "systemd-networkd.service"),
    *("systemd-networkd.socket", "systemd-resolved.service", "systemd-logind.service", "getty.target"),
    *("console-getty.service", "systemd-hwdb-update.service", "systemd-pcrphase.service"),
    *("systemd-pcrphase-sysinit.service", "proc-sys-fs-binfmt_misc.automount", "systemd-firstboot.service"),
    *("dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount"),
    *("sys-fs-fuse-connections.mount", "kmod-static-nodes.service", "systemd-modules-load.service"),
    *("systemd-journal-flush.service", "systemd-update-utmp.service", "systemd-remount-fs.service"),
)


def take_away(root: Path) -> None:
    """Nothing of the machine's own services starts in the guest, and nothing that needs hardware."""
    units = root / "etc" / "systemd" / "system"
    for wanted in units.glob("*.wants"):
        shutil.rmtree(wanted)
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    empty_init_scripts(root)
    (root / "etc" / "fstab").write_text("")
    (root / "etc" / "machine-id").write_text("b1c0ffee" * 4 + "\n")


def empty_init_scripts(root: Path) -> None:
    """Without the machine's own scripts, and without what keeps packages from starting services in containers."""
    etc = root / "etc"
    for folder in (etc / "init.d", *etc.glob("rc?.d")):
        for script in folder.iterdir():
            script.unlink()
    (root / "usr" / "sbin" / "policy-rc.d").unlink(missing_ok=True)


SYSTEMD = Init(
    argv=(PROGRAM,),
    is_up=("sh", "-c", "systemctl is-system-running | grep -qxE 'running|degraded'"),
    poweroff=("systemctl", "poweroff"),
    reboot=("systemctl", "reboot"),
    prepare=take_away,
)


def show(machine: Machine, unit: str, name: str) -> str:
    """One property of a unit."""
    return machine.output("systemctl", "show", "--value", "--property", name, unit)


def journal(machine: Machine, unit: str) -> str:
    """What a unit has said since the guest was booted."""
    return machine.output("journalctl", "--boot", "--no-pager", "--output", "cat", "--unit", unit)
