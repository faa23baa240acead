"""The init systems: which one a machine has, where its files stand, and what its tools are called with.

Values only; nothing is run or written here but the one question to upstart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from taskserver.boot import adapting
from taskserver.boot.site import Site
from taskserver.boot.tools import answer, find
from taskserver.boot.tree import Tree

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BootFile:
    """One file of the service: which of `scripts/boot`, where it goes, and how it is made to fit."""

    source: str
    target: str
    mode: int
    adapt: Callable[[str, Site], str]


@dataclass(frozen=True, slots=True)
class InitSystem:
    """One kind of init. `{name}` in paths and commands is the service's name."""

    key: str
    title: str
    files: tuple[BootFile, ...]
    """The first of them is what makes it a service."""
    renewed: tuple[Argv, ...] = ()
    """After a boot file has changed or gone."""
    enable: tuple[Argv, ...] = ()
    enabled_at: tuple[str, ...] = ()
    """Patterns of names; one that is there says that the service is enabled."""
    enabling_link: tuple[str, str] | None = None
    """The link that enables it, where that takes no command: its place and its target."""
    waiting: tuple[str, str] | None = None
    """A file and its text that keep it from starting with the machine, where being there would make it start."""
    shadowed: tuple[str, ...] = ()
    """Where a service of this name would be somebody else's, and no longer seen beside ours."""
    root_option: bool = False
    """Whether enabling and disabling work below another root, with --root=PREFIX."""
    stop: tuple[Argv, ...] = ()
    disable: tuple[Argv, ...] = ()
    tolerated: tuple[int, ...] = ()
    """Exit codes of `stop` that mean that there was nothing to stop."""
    litter: tuple[str, ...] = ()
    """Folders that the init system makes beside the files of a service."""
    start: Argv = ()

    def is_enabled(self, tree: Tree, name: str) -> bool:
        """Whether the service starts with the machine."""
        if self.waiting is not None:
            there, waits = (
                tree.status(Path(each.format(name=name))) for each in (self.files[0].target, self.waiting[0])
            )
            return there is not None and waits is None
        for pattern in self.enabled_at:
            place = Path(pattern.format(name=name))
            if any(Path(found).match(place.name) for found in tree.names(place.parent)):
                return True
        return False


SYSTEMD = InitSystem(
    key="systemd",
    title="systemd",
    files=(
        BootFile("systemd/task-server.service", "/etc/systemd/system/{name}.service", 0o644, adapting.systemd),
    ),
    renewed=(("systemctl", "daemon-reload"),),
    enable=(("systemctl", "enable", "{name}.service"),),
    enabled_at=("/etc/systemd/system/multi-user.target.wants/{name}.service",),
    shadowed=(
        "/usr/lib/systemd/system/{name}.service",
        "/lib/systemd/system/{name}.service",
        "/usr/local/lib/systemd/system/{name}.service",
        "/etc/init.d/{name}",
    ),
    root_option=True,
    stop=(("systemctl", "stop", "{name}.service"),),
    disable=(("systemctl", "disable", "{name}.service"),),
    start=("systemctl", "start", "{name}"),
)
SYSTEM_V = InitSystem(
    key="sysv",
    title="System V init",
    files=(
        BootFile("system-v/task-server", "/etc/init.d/{name}", 0o755, adapting.system_v),
        BootFile("system-v/default", "/etc/default/{name}", 0o644, adapting.system_v_defaults),
    ),
    enable=(("update-rc.d", "{name}", "defaults"),),
    enabled_at=("/etc/rc2.d/S??{name}", "/etc/rc3.d/S??{name}", "/etc/rc.d/rc3.d/S??{name}"),
    stop=(("/etc/init.d/{name}", "stop"),),
    disable=(("update-rc.d", "-f", "{name}", "remove"),),
    start=("/etc/init.d/{name}", "start"),
)
UPSTART = InitSystem(
    key="upstart",
    title="upstart",
    files=(BootFile("upstart/task-server.conf", "/etc/init/{name}.conf", 0o644, adapting.upstart),),
    renewed=(("initctl", "reload-configuration"),),
    waiting=("/etc/init/{name}.override", "manual\n"),
    stop=(("initctl", "stop", "{name}"),),
    tolerated=(1,),
    start=("initctl", "start", "{name}"),
)
OPENRC = InitSystem(
    key="openrc",
    title="OpenRC",
    files=(
        BootFile("openrc/task-server", "/etc/init.d/{name}", 0o755, adapting.openrc),
        BootFile("openrc/conf.d", "/etc/conf.d/{name}", 0o644, adapting.shell_settings),
    ),
    enable=(("rc-update", "add", "{name}", "default"),),
    enabled_at=("/etc/runlevels/default/{name}",),
    stop=(("rc-service", "--ifstarted", "{name}", "stop"),),
    disable=(("rc-update", "delete", "{name}", "default"),),
    tolerated=(1,),
    start=("rc-service", "{name}", "start"),
)
RUNIT = InitSystem(
    key="runit",
    title="runit",
    files=(
        BootFile("runit/run", "/etc/sv/{name}/run", 0o755, adapting.as_it_is),
        BootFile("runit/finish", "/etc/sv/{name}/finish", 0o755, adapting.as_it_is),
        BootFile("runit/check", "/etc/sv/{name}/check", 0o755, adapting.as_it_is),
        BootFile("runit/conf", "/etc/sv/{name}/conf", 0o644, adapting.shell_settings),
        BootFile("runit/log/run", "/etc/sv/{name}/log/run", 0o755, adapting.as_it_is),
    ),
    enabled_at=("/etc/service/{name}",),
    enabling_link=("/etc/service/{name}", "/etc/sv/{name}"),
    stop=(("sv", "-w", "90", "stop", "/etc/sv/{name}"),),
    tolerated=(1,),
    litter=("/etc/sv/{name}/supervise", "/etc/sv/{name}/log/supervise"),
    start=("sv", "up", "/etc/sv/{name}"),
)
SYSTEMS = {system.key: system for system in (SYSTEMD, SYSTEM_V, UPSTART, OPENRC, RUNIT)}

_PROGRAMS = (
    (SYSTEMD, ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")),
    (OPENRC, ("/sbin/openrc", "/usr/sbin/openrc")),
    (RUNIT, ("/sbin/runit-init", "/usr/sbin/runit-init", "/usr/bin/runit-init")),
)


def detect(tree: Tree) -> InitSystem:
    """The init system that runs here; below another root, the one whose program is there. Else System V."""
    if tree.is_running_system:
        return running() or SYSTEM_V
    found = (system for system, programs in _PROGRAMS if any(tree.status(Path(each)) for each in programs))
    return next(found, SYSTEM_V)


def running() -> InitSystem | None:
    """The init system that runs this machine; System V leaves no sign of itself."""
    if Path("/run/systemd/system").is_dir():
        return SYSTEMD
    if "upstart" in (answer(["initctl", "version"]) or ""):
        return UPSTART
    if Path("/run/openrc").is_dir():
        return OPENRC
    return RUNIT if _first_process().startswith("runit") else None


def is_at_work(system: InitSystem, tree: Tree) -> bool:
    """Whether this init system can be told something: it is the one that runs. Scripts can always be run."""
    return tree.is_running_system and (system.key == SYSTEM_V.key or running() is SYSTEMS[system.key])


def on_this_machine(system: InitSystem) -> InitSystem:
    """The system as this distribution has it: chkconfig for update-rc.d, /var/service for /etc/service."""
    if system is SYSTEM_V and find("update-rc.d") is None and find("chkconfig") is not None:
        return replace(
            system, enable=(("chkconfig", "--add", "{name}"),), disable=(("chkconfig", "--del", "{name}"),)
        )
    if system is RUNIT and not Path("/etc/service").exists() and Path("/var/service").exists():
        return replace(
            system, enabled_at=("/var/service/{name}",), enabling_link=("/var/service/{name}", "/etc/sv/{name}")
        )
    return system


def filled(argv: Argv, name: str, root: Path | None = None) -> Argv:
    """A command for a service; `root` is put behind the program's name as --root=."""
    words = tuple(word.replace("{name}", name) for word in argv)
    return words if root is None else (words[0], f"--root={root}", *words[1:])


def _first_process() -> str:
    try:
        return Path("/proc/1/comm").read_text().strip()
    except OSError:
        return ""
