"""A guest that really boots: an init system as process 1 in namespaces of its own, on an overlay of our own `/`.

Nothing of the machine itself is changed. What a guest writes goes to a tmpfs that only the guest's mount namespace
knows; that namespace is held by a process which ends with the test process, however that ends, and with the
namespace everything is gone. Only empty cgroups and a console can be left behind; the next machine removes them.

    with Machine(SYSTEMD, layers=[installation]) as machine:
        (machine.root / "etc/taskserver.toml").write_text(...)     # before the boot, or while it runs
        machine.chroot("useradd", "--system", "taskserver")
        machine.boot()
        machine.run("systemctl", "is-active", "task-server")
        machine.reboot()                                           # what was written is still there

`root` is a way through /proc: an absolute symbolic link below it leads out of the guest, so name real paths.
A guest has its own network (only lo), host name and processes; time, kernel and users' numbers are the machine's.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cgroups import PREFIX, Hierarchy, hierarchies, make, remove, sweep, usable
from waiting import eventually

ENTER = Path(__file__).with_name("enter.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "pivot_root", "mountpoint", "chroot")

POWERED_OFF = -signal.SIGINT, 128 + signal.SIGINT
REBOOTED = -signal.SIGHUP, 128 + signal.SIGHUP
"""How the kernel ends process 1 of a process namespace that calls reboot(2), and unshare with it."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Init:
    """One init system: how it is started, recognised as up, and told to go down."""

    argv: tuple[str, ...]
    is_up: tuple[str, ...]
    """A command that succeeds in the guest once everything has been started."""

    poweroff: tuple[str, ...]
    reboot: tuple[str, ...]
    prepare: Callable[[Path], None] = lambda root: None
    """Changes the tree of a guest before its first boot: takes away what must not start there."""


class BootFailed(AssertionError):
    """The guest did not come up, or did not go down; the message ends with its console."""


class Machine:
    """One guest. Made once, booted as often as wanted; its disk lasts as long as the context."""

    def __init__(self, init: Init, *, layers: Sequence[Path] = ()) -> None:
        """`layers` are trees whose copies lie over this machine's `/`, the last one on top."""
        self._init = init
        self._layers = layers
        self.name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        self._hierarchies: list[Hierarchy] = []
        self._holder: subprocess.Popen[str] | None = None
        self._launcher: subprocess.Popen[str] | None = None
        self._scratch = Path("/nonexistent")
        self._pid = 0
        self._first = -1

    def __enter__(self) -> Self:
        sweep(Path(tempfile.gettempdir()))
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        (self._scratch / "disk").mkdir()
        (self._scratch / "console").touch()
        try:
            self._hierarchies = hierarchies()
            lines = [f"{each.type} {each.options} {each.folder}\n" for each in self._hierarchies]
            (self._scratch / "cgroups").write_text("".join(lines))
            self._hold()
            self._init.prepare(self.root)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.cut_power()
        if self._holder is not None:
            with self._holder as holder:
                holder.kill()
        remove(self.name, self._hierarchies)
        shutil.rmtree(self._scratch)

    # --- the guest's disk

    @property
    def root(self) -> Path:
        """The guest's `/` on its disk: without what it mounts while it runs."""
        assert self._holder is not None, "only inside the context"
        return Path(f"/proc/{self._holder.pid}/root{self._scratch}/disk/root")

    def chroot(self, *argv: str) -> str:
        """Run a command in the guest's tree, also while it is off; what it says."""
        done = _call(
            [
                *("nsenter", "--target", str(self._holder.pid if self._holder else 0), "--mount"),
                *("chroot", str(self._scratch / "disk/root"), "env", "-i", f"PATH={PATH}", "LC_ALL=C", *argv),
            ]
        )
        assert done.returncode == 0, f"{argv}: {done.returncode}, {done.stdout}{done.stderr}"
        return str(done.stdout)

    def _hold(self) -> None:
        """The mount namespace with the disk, and the process that keeps it for as long as we hold its pipe."""
        disk = self._scratch / "disk"
        # Copies: a layer of its own must not lie below `/`, which is one already.
        copies = "\n".join(f"cp -a {shlex.quote(str(layer))}/. {disk}/upper/" for layer in self._layers)
        script = f"""
            mount -t tmpfs -o size=2g,mode=755 tmpfs {disk}
            mkdir {disk}/upper {disk}/work {disk}/root
            {copies}
            mount -t overlay -o lowerdir=/,upperdir={disk}/upper,workdir={disk}/work overlay {disk}/root
            echo ready
            exec cat
        """
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _await_ready(self._holder)

    # --- on and off

    def boot(self, *, patience: float = 60.0) -> None:
        """Switch it on; returns when init says that everything has been started."""
        assert self._holder is not None and not self.is_on, "it is on already"
        procs = make(self.name, self._hierarchies)
        self._launcher = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("sh", "-euc", 'for file in $CGROUP_FILES; do echo $$ >"$file"; done; exec "$@"', "sh"),
                *("nsenter", "--target", str(self._holder.pid), "--mount"),
                *("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"),
                *("--kill-child=SIGKILL", "--propagation", "private"),
                *("sh", str(ENTER), str(self._scratch / "disk/root"), str(self._scratch / "console")),
                *(self.name, str(self._scratch / "cgroups"), *self._init.argv),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": PATH, "CGROUP_FILES": " ".join(str(file) for file in procs)},
        )
        _await_ready(self._launcher)
        self._pid = _child_of(self._launcher.pid)
        self._first = os.pidfd_open(self._pid)
        for file in procs:  # a process outside the guest in its topmost cgroup would keep controllers from it
            (file.parent.parent / "cgroup.procs").write_text(str(self._launcher.pid))
        assert self._launcher.stdin is not None
        self._launcher.stdin.write("go\n")
        self._launcher.stdin.flush()
        self._eventually(self._is_up, "boot", patience)

    @property
    def is_on(self) -> bool:
        return self._launcher is not None and self._launcher.poll() is None

    @property
    def pid(self) -> int:
        """The guest's process 1, as this machine numbers it."""
        assert self.is_on, "it is off"
        return self._pid

    @property
    def console(self) -> str:
        """What the guest has written to its console, over all boots."""
        return (self._scratch / "console").read_text(errors="replace")

    def poweroff(self, *, patience: float = 60.0) -> None:
        """Shut it down in order, as init does it; returns when it is off."""
        self.run(*self._init.poweroff, code=None)
        self.await_off(patience=patience)

    def await_off(self, *, patience: float = 60.0) -> None:
        """Until somebody inside has switched it off."""
        assert self._wait(patience) in POWERED_OFF, f"not switched off but rebooted\n{self.console}"

    def reboot(self, *, patience: float = 60.0) -> None:
        """A reboot ordered inside, and the boot after it."""
        self.run(*self._init.reboot, code=None)
        assert self._wait(patience) in REBOOTED, f"not rebooted but switched off\n{self.console}"
        self.boot(patience=patience)

    def cut_power(self) -> None:
        """Off at once: nothing in it gets a word. Its disk keeps what was written, synchronised or not."""
        if self._launcher is not None:
            with self._launcher as launcher:
                self._end_first_process()
                launcher.kill()
            self._launcher = None

    def _end_first_process(self) -> None:
        """And with it all others. One that has changed its user does not die of its parent's death any more."""
        if self._first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            os.close(self._first)
            self._first = -1

    def _wait(self, patience: float) -> int:
        assert self._launcher is not None
        self._eventually(lambda: not self.is_on, "go down", patience)
        self._end_first_process()
        with self._launcher as launcher:
            self._launcher = None
            return int(launcher.wait())

    def _is_up(self) -> bool:
        if not self.is_on:
            raise BootFailed(f"init ended with {self._launcher and self._launcher.poll()}\n{self.console}")
        return self.run(*self._init.is_up, code=None).returncode == 0

    def _eventually(self, condition: Callable[[], bool], what: str, patience: float) -> None:
        try:
            eventually(condition, seconds=patience, pause=0.05)
        except AssertionError:
            raise BootFailed(f"it did not {what} within {patience:g} s\n{self.console}") from None

    # --- inside

    def run(self, *argv: str, code: int | None = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the guest as root. It must end with `code` (None: any)."""
        done = _call(self.command(*argv), stdin)
        assert code in (None, done.returncode), (
            f"{argv}: {done.returncode}, {done.stdout}{done.stderr}\n{self.console}"
        )
        return done

    def output(self, *argv: str) -> str:
        """What a command in the guest says, without the blanks around it."""
        return self.run(*argv).stdout.strip()

    def command(self, *argv: str) -> list[str]:
        """The command line that runs `argv` in the guest, for who wants to start it himself."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        environment = ("env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C", "TERM=dumb", "SYSTEMD_PAGER=cat")
        return ["nsenter", "--target", str(self.pid), *spaces, *environment, *argv]


def obstacle() -> str:
    """Why no machine can be booted here; empty if one can. It tries it, with an overlay and a cgroup."""
    if os.geteuid() != 0:
        return "only root may make the namespaces of a booted system"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(missing)}"
    with tempfile.TemporaryDirectory(prefix="taskserver-probe-") as scratch:
        script = f"""
            mount -t tmpfs tmpfs {scratch}
            mkdir {scratch}/upper {scratch}/work {scratch}/root
            mount -t overlay -o lowerdir=/,upperdir={scratch}/upper,workdir={scratch}/work overlay {scratch}/root
            mount -t proc proc {scratch}/root/proc
        """
        done = _call(
            [
                *("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"),
                *("--propagation", "private", "sh", "-euc", script),
            ]
        )
    if done.returncode != 0:
        return f"namespaces or overlays are not allowed here: {done.stderr.strip()}"
    return usable()


def _call(argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None and process.stderr is not None
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise BootFailed(process.stderr.read())


def _child_of(parent: int) -> int:
    return next(pid for pid in _pids() if _parent_of(pid) == parent)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0
