"""The process that starts commands: a small program of its own, run by file name, standard library alone.

    python -S -E -s launcher.py SOCKET_FD PARENT_PID

It imports nothing of the package. It reads messages (four bytes of length, then JSON) from a stream socket and
answers in kind:

    {"op": "start", "run": 7, "argv": [...], "cwd": null, "env": {...}}     with the descriptors of stdout, stderr
    {"op": "signal", "run": 7, "signal": 15}                                to the command's process group
    {"event": "refused", "run": 7, "errno": 2, "file": "/no/such/program"}
    {"event": "started", "run": 7, "pid": 4711}
    {"event": "ended", "run": 7, "code": 0, "signal": null, "cpu": 0.1, "rss": 9000000}

Each command is the leader of its own session and dies with this process (parent-death signal: this process has
one thread). Descendants that lose their parent become children of this process (subreaper). When a command has
ended, everything that it left behind is killed; when the socket closes or the parent dies, everything is killed.
A descendant is known by TASKSERVER_RUN_ID in its environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
ORPHANED = signal.SIGUSR2  # sent by the kernel when the thread that started this process has gone
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM)
LEFTOVER_SECONDS = 3.0
LENGTH = struct.Struct("!I")
MARKER = "TASKSERVER_LAUNCHER"


def prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Command:
    """A command that runs."""

    def __init__(self, run: int, process: subprocess.Popen[bytes]) -> None:
        self.run = run
        self.process = process
        self.pid = process.pid


class Launcher:
    """Obeys one socket until it closes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.commands: dict[int, Command] = {}
        self.ending: dict[int, tuple[dict[str, Any], float]] = {}
        """By run: what to tell, and when at the latest. It has ended, but something of it is still there."""
        self.received = b""
        self.descriptors: list[int] = []
        self.marker = marker_of(os.getpid())
        self.orphaned = False
        self.prctl = ctypes.CDLL(None).prctl  # looked up before any fork

    def serve(self) -> None:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        while not self.orphaned:
            timeout = 0.05 if self.ending else None
            ready, _, _ = select.select([self.connection.fileno(), wake_read], [], [], timeout)
            while wake_read in ready and read_some(wake_read):
                pass
            if self.connection.fileno() in ready and not self.receive():
                return
            self.reap()
            self.settle()

    def receive(self) -> bool:
        try:
            data, ancillary, _, _ = self.connection.recvmsg(
                65536, socket.CMSG_SPACE(64 * 4), socket.MSG_CMSG_CLOEXEC
            )
        except (ConnectionError, InterruptedError):
            return False
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.descriptors += struct.unpack(f"{len(content) // 4}i", content)
        self.received += data
        while len(self.received) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self.received)
            if len(self.received) < LENGTH.size + size:
                break
            message = json.loads(self.received[LENGTH.size : LENGTH.size + size])
            self.received = self.received[LENGTH.size + size :]
            self.obey(message)
        return bool(data)

    def send(self, message: dict[str, Any]) -> None:
        encoded = json.dumps(message).encode()
        try:
            self.connection.sendall(LENGTH.pack(len(encoded)) + encoded)
        except OSError:
            self.orphaned = True

    def obey(self, message: dict[str, Any]) -> None:
        if message["op"] == "start":
            self.start(message)
        elif message["op"] == "signal":
            for command in self.commands.values():
                if command.run == message["run"]:
                    send_signal(os.killpg, command.pid, message["signal"])

    def start(self, message: dict[str, Any]) -> None:
        stdout, stderr = self.descriptors[:2]
        del self.descriptors[:2]
        environment = {**message["env"], MARKER: self.marker}
        own_pid = os.getpid()

        def in_child() -> None:
            self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != own_pid:
                os._exit(1)

        try:
            process = subprocess.Popen(
                message["argv"],
                cwd=message["cwd"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=in_child,  # noqa: PLW1509 - this process has one thread
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            answer = {"errno": getattr(error, "errno", None), "file": getattr(error, "filename", None)}
            self.send({"event": "refused", "run": message["run"], "text": str(error), **answer})
            return
        finally:
            os.close(stdout)
            os.close(stderr)
        self.commands[process.pid] = Command(message["run"], process)
        self.send({"event": "started", "run": message["run"], "pid": process.pid})

    def reap(self) -> None:
        """Every child that has ended. A command's group is killed while its leader still holds the number."""
        while True:
            pid = a_child_has_ended()
            if not pid:
                return
            command = self.commands.pop(pid, None)
            if command is not None:
                send_signal(os.killpg, command.pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            if command is not None:
                self.ended(command, status, usage)

    def ended(self, command: Command, status: int, usage: Any) -> None:
        code = os.waitstatus_to_exitcode(status)
        command.process.returncode = code
        message = {
            "event": "ended",
            "run": command.run,
            "code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss * 1024,
        }
        self.ending[command.run] = message, time.monotonic() + LEFTOVER_SECONDS

    def settle(self) -> None:
        """Tell of the commands of which nothing is left; kill what is."""
        for run, (message, deadline) in list(self.ending.items()):
            left = self.leftovers(run)
            for pid in left:
                send_signal(os.kill, pid, signal.SIGKILL)
            # Who has ended since the list was made may have left a child that is not in it.
            certain = not left and not a_child_has_ended()
            if certain or time.monotonic() > deadline:
                del self.ending[run]
                self.send(message)

    def leftovers(self, run: int) -> list[int]:
        """Orphans of this run, and those of nobody knows whom once no command runs."""
        owners = {pid: owner_of(pid) for pid in children_of(os.getpid()) if pid not in self.commands}
        return [pid for pid, owner in owners.items() if owner == str(run) or (owner is None and not self.commands)]

    def kill_everything(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for pid in children_of(os.getpid()):
                send_signal(os.killpg, pid, signal.SIGKILL)
                send_signal(os.kill, pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.005)


def read_some(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def a_child_has_ended() -> int:
    """The pid of a child that waits to be reaped, 0 if there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found is not None else 0


def send_signal(function: Callable[[int, int], None], pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        function(pid, number)


def stat_of(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def children_of(parent: int) -> list[int]:
    """The living children of a process with one thread, without zombies."""
    try:
        found = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        found = processes()
    all_fields = {pid: stat_of(pid) for pid in found}
    return [pid for pid, fields in all_fields.items() if fields and is_child(fields, parent)]


def is_child(fields: list[bytes], parent: int) -> bool:
    return int(fields[1]) == parent and fields[0] not in (b"Z", b"X")


def processes() -> list[int]:
    """Every process of this pid namespace."""
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def environment_of(pid: int) -> dict[str, str]:
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(pair.decode("utf-8", "replace").partition("=")[::2] for pair in pairs if b"=" in pair)


def owner_of(pid: int) -> str | None:
    return environment_of(pid).get("TASKSERVER_RUN_ID")


def marker_of(pid: int) -> str:
    """Namespace, pid and start time: no other process has the same on this machine until it boots again."""
    fields = stat_of(pid)
    started = fields[19].decode() if fields else "gone"
    return f"{Path('/proc/self/ns/pid').stat().st_ino}.{pid}.{started}"


def main(arguments: list[str]) -> None:
    descriptor, parent = map(int, arguments)
    launcher = Launcher(socket.socket(fileno=descriptor))
    launcher.connection.set_inheritable(False)

    def orphaned(*_: object) -> None:
        launcher.orphaned = True

    for number in (*IGNORED, signal.SIGCHLD):
        # A handler, not SIG_IGN: a command must not inherit that a signal is ignored.
        signal.signal(number, lambda *_: None)
    signal.signal(ORPHANED, orphaned)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    prctl(PR_SET_DUMPABLE, 0)  # a command must not read what others are given
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, ORPHANED)
    try:
        if os.getppid() == parent:
            launcher.serve()
    finally:
        launcher.kill_everything()


if __name__ == "__main__":
    main(sys.argv[1:])
