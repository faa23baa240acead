"""A virtual machine whose power can really be cut: Debian's kernel under qemu, with a disk image of its own.

Unlike the guests of machine.py it has a kernel and a page cache of its own: what was not synchronised to its disk
when qemu is killed is gone. It is slow (no KVM is assumed), and needs packages that only its test asks for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import debian_packages
import installation

QEMU = "qemu-system-x86_64"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
KERNEL = "linux-image-6.*"
"""The package that KERNEL_PACKAGE stands for, as a pattern."""

INIT = Path(__file__).with_name("virtual_init.py")


def require() -> None:
    """Installs qemu and downloads the kernel if they are missing (42 MB)."""
    if shutil.which(QEMU) is None:
        _apt("install", "--yes", "--no-install-recommends", "qemu-system-x86")
    if debian_packages.missing((KERNEL,)):
        found = subprocess.run(
            ["apt-cache", "depends", "--important", KERNEL_PACKAGE], capture_output=True, text=True, check=True
        )
        _apt("download", next(word for word in found.stdout.split() if word.startswith("linux-image-6")))


def _apt(*arguments: str) -> None:
    debian_packages.FOLDER.mkdir(exist_ok=True)
    subprocess.run(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *arguments],
        cwd=debian_packages.FOLDER,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        check=True,
    )


def kernel(folder: Path) -> Path:
    """The kernel, unpacked below `folder`."""
    debian_packages.unpack((KERNEL,), folder)
    return next((folder / "boot").glob("vmlinuz-*"))


def disk(folder: Path, layer: Path, configuration: str) -> Path:
    """A disk image with ext4 on it that holds the installation, its interpreter, and nothing else."""
    tree = folder / "tree"
    shutil.copytree(layer, tree, symlinks=True)
    python = installation.interpreter()
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": "/usr", "base": "/usr"}))
    for needed in (python, library):
        _copy(needed, tree)
    for shared in sorted(_shared_objects([python, *library.rglob("*.so"), *layer.rglob("*.so")])):
        _copy(shared, tree)
    for name in ("proc", "sys", "dev", "tmp", "run", "etc", "var"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc" / "taskserver.toml").write_text(configuration)
    shutil.copy(INIT, tree / "init.py")
    image = folder / "disk.img"
    subprocess.run(["mkfs.ext4", "-q", "-d", str(tree), str(image), "1G"], check=True)
    return image


def _copy(source: Path, tree: Path) -> None:
    target = tree / str(source).lstrip("/")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("test", "tests", "idlelib", "lib2to3", "tkinter", "dist-packages")
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy2(source, target)


def _shared_objects(files: list[Path]) -> set[Path]:
    """The libraries that the dynamic loader would bring in for these files, itself among them."""
    found = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    words = (word for line in found.splitlines() if not line.endswith(":") for word in line.split())
    return {Path(word) for word in words if word.startswith("/") and Path(word).exists()}


class VirtualMachine:
    """One run of the machine: from power on to the moment it is cut."""

    def __init__(self, kernel: Path, image: Path, *, task: str) -> None:
        """`task` is what its process 1 is to do; see virtual_init.py."""
        python = installation.interpreter()
        self._argv = [
            *(QEMU, "-accel", "tcg", "-cpu", "max", "-m", "768", "-nodefaults", "-no-reboot"),
            *("-display", "none", "-monitor", "none", "-serial", "stdio"),
            *("-drive", f"file={image},format=raw,if=none,id=disk", "-device", "nvme,drive=disk,serial=disk"),
            *("-kernel", str(kernel), "-append"),
            f"console=ttyS0 quiet panic=-1 root=/dev/nvme0n1 rootfstype=ext4 rw init={python} taskserver={task}"
            " -- -u /init.py",
        ]
        self.console: list[str] = []

    def __enter__(self) -> Self:
        self._qemu = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        return self

    def lines(self) -> Iterator[str]:
        """What its process 1 says, line by line, until it is off."""
        assert self._qemu.stdout is not None
        for line in self._qemu.stdout:
            self.console.append(line)
            if line.startswith("vm: "):
                yield line.removeprefix("vm: ").strip()

    def cut_power(self) -> None:
        """kill -9: nothing in the machine, and nothing in qemu, gets a word."""
        self._qemu.kill()
        self._qemu.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.cut_power()
        assert self._qemu.stdout is not None
        self._qemu.stdout.close()
