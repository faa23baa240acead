"""Root starts a daemon of `nobody`: what /proc says of it, and who may stop it."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest
from real_daemon import FAKE_DAEMON, Daemon
from waiting import eventually

from taskserver.daemon import pidfile, stopping
from taskserver.daemon.pidfile import PidFile, State
from taskserver.daemon.proof import ProvenDaemon
from taskserver.daemon.stopping import Progress
from taskserver.errors import TaskServerError

SYSTEM_PYTHON = Path("/usr/bin/python3")

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not SYSTEM_PYTHON.exists(), reason="needs root and /usr/bin/python3"
)


@pytest.fixture
def of_nobody(open_to_all):
    """A fake daemon with run_as = nobody, in a folder that nobody can reach but may not write."""
    folder = open_to_all / "place"
    folder.mkdir()
    daemon = Daemon(folder)
    daemon.users_dir.rmdir()
    daemon.configure(run_as="nobody")
    (folder / "events").write_text("")
    (folder / "events").chmod(0o666)
    yield daemon
    daemon.kill()


def call(daemon: Daemon, verb: str = "start", **options) -> subprocess.Popen[str]:
    installation = daemon.folder.parent
    return subprocess.Popen(
        [SYSTEM_PYTHON, "-B", str(installation / FAKE_DAEMON.name), verb, str(daemon.folder)],
        env={"PYTHONPATH": str(installation), "SUDO_USER": "chief", "PATH": "/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def ids(pid: int) -> list[set[str]]:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return [set(lines[name].split()) for name in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb")]


def of(user: str) -> list[set[str]]:
    entry = pwd.getpwnam(user)
    groups = {str(group) for group in os.getgrouplist(user, entry.pw_gid)}
    return [{str(entry.pw_uid)}, {str(entry.pw_gid)}, groups, {"0" * 16}, {"0" * 16}, {"0" * 16}]


def test_the_daemon_in_the_background_is_nobody(of_nobody):
    start = call(of_nobody, extra_groups=[0, 4, 27])
    _, err = start.communicate(timeout=30)

    assert (start.returncode, err) == (0, "")
    assert ids(of_nobody.pid) == of("nobody")
    for path in (of_nobody.users_dir, *of_nobody.users_dir.iterdir()):
        assert path.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert of_nobody.users_dir.stat().st_mode & 0o777 == 0o750


def test_the_daemon_in_the_foreground_is_nobody_too(of_nobody):
    run = call(of_nobody, "run", extra_groups=[0, 4, 27])
    eventually(of_nobody.status)

    assert of_nobody.pid == run.pid
    assert ids(run.pid) == of("nobody")

    run.terminate()
    assert run.wait(10) == 0
    run.communicate()


def test_root_stops_it_and_leaves_nothing_behind(of_nobody):
    call(of_nobody).communicate(timeout=30)

    stopping.stop(of_nobody.users_dir, Progress(say=lambda text: None, tick=lambda text: None))

    assert of_nobody.state is State.STOPPED


def test_root_lengthens_the_draining_of_a_daemon_of_another_user(of_nobody):
    of_nobody.configure(run_as="nobody", mode="busy", drain_timeout=0.2)
    call(of_nobody).communicate(timeout=30)

    def release(_: str) -> None:
        of_nobody.release()

    stopping.stop(of_nobody.users_dir, Progress(say=release, tick=release, every=0.5), timeout=90)

    assert of_nobody.events() == ["start", "drain 90"]
    assert of_nobody.state is State.STOPPED


def test_a_third_user_can_neither_look_nor_stop(of_nobody):
    call(of_nobody).communicate(timeout=30)
    pid = of_nobody.pid
    program = (
        "import sys; from pathlib import Path\n"
        "from taskserver.daemon import pidfile, stopping\n"
        "reading = pidfile.read(Path(sys.argv[1]))\n"
        "print(reading.state, reading.forbidden)\n"
        "try: stopping.stop(Path(sys.argv[1]), stopping.Progress(say=print, tick=print))\n"
        "except Exception as error: print(error.exit_code)\n"
    )
    third = subprocess.run(
        [SYSTEM_PYTHON, "-B", "-c", program, str(of_nobody.users_dir)],
        env={"PYTHONPATH": str(of_nobody.folder.parent)},
        user="daemon",
        group="daemon",
        extra_groups=[],
        capture_output=True,
        text=True,
        cwd="/",
        check=True,
    )

    assert third.stdout.splitlines() == ["unknown True", "4"]
    assert of_nobody.pid == pid


SWAPPING = """
import os, sys
users, victim = sys.argv[1:]
pidfile, spare = users + "/taskserver.pid", users + "/spare"
plants = (
    lambda: os.symlink(victim, spare),
    lambda: os.mkfifo(spare),
    lambda: os.link(victim, spare),
    lambda: open(spare, "w").write("1\\n"),
    lambda: os.symlink("taskserver.log", spare),
)
number = 0
while True:
    number += 1
    try:
        plants[number % len(plants)]()
        os.rename(spare, pidfile)
    except OSError:
        continue
"""


def test_a_pidfile_that_is_swapped_all_the_time_harms_nobody(of_nobody, open_to_all):
    """Calls of root end, and what the links lead to stays as it was."""
    call(of_nobody).communicate(timeout=30)
    stopping.stop(of_nobody.users_dir, Progress(say=lambda text: None, tick=lambda text: None))
    victim = open_to_all / "victim"
    victim.write_text("precious")
    victim.chmod(0o666)
    program = [SYSTEM_PYTHON, "-c", SWAPPING, str(of_nobody.users_dir), str(victim)]
    with subprocess.Popen(program, user="nobody", extra_groups=[], cwd="/") as swapper:
        for _ in range(3):
            call(of_nobody).communicate(timeout=60)
            for _ in range(20):
                pidfile.read(of_nobody.users_dir)
                pidfile.remove_stale(of_nobody.users_dir)
            with contextlib.suppress(TaskServerError):
                stopping.stop(
                    of_nobody.users_dir, Progress(say=lambda text: None, tick=lambda text: None), now=True
                )
        is_swapping = swapper.poll() is None
        swapper.kill()

    assert is_swapping
    assert victim.read_text() == "precious"
    assert victim.stat().st_uid == 0
    eventually(lambda: not _daemons_of(of_nobody))


def _daemons_of(daemon: Daemon) -> list[str]:
    """The processes of this folder's daemon; one whose pidfile has gone ends by itself."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and FAKE_DAEMON.name.encode() in (entry / "cmdline").read_bytes():
                found += [entry.name] if str(daemon.folder) in (entry / "cmdline").read_text() else []
    return found


def test_root_removes_no_pidfile_of_another_daemon(of_nobody, open_to_all):
    """The users directory itself is a link that its owner has turned elsewhere."""
    with PidFile(open_to_all):
        of_nobody.users_dir.symlink_to(open_to_all)

        removed = pidfile.remove_stale(of_nobody.users_dir)

        assert not removed
        assert (open_to_all / pidfile.NAME).exists()


def test_nobody_cannot_make_root_signal_a_process_of_root(of_nobody):
    """The daemon's user owns the pidfile and may write and lock what it likes; that alone convinces nobody."""
    call(of_nobody).communicate(timeout=30)
    os.kill(of_nobody.pid, signal.SIGKILL)
    eventually(lambda: of_nobody.state is State.DEAD)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        forged = (
            "import fcntl, os, sys; sys.path.insert(0, sys.argv[1])\n"
            "from taskserver.daemon import process\n"
            "from taskserver.daemon.pidfile import Record\n"
            "pid = int(sys.argv[2])\n"
            "facts = {'kernel-boot-id': process.kernel_boot_id(), 'start-ticks': str(process.start_ticks(pid))}\n"
            "file = open(sys.argv[3], 'r+'); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "file.truncate(0); file.write(Record(pid, facts).to_text()); file.flush()\n"
            "print(flush=True); sys.stdin.read()\n"
        )
        forger = subprocess.Popen(
            [
                SYSTEM_PYTHON,
                "-B",
                "-c",
                forged,
                str(of_nobody.folder.parent),
                str(innocent.pid),
                str(of_nobody.users_dir / pidfile.NAME),
            ],
            user="nobody",
            extra_groups=[],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
        )
        forger.stdout.readline()

        assert of_nobody.state is State.UNKNOWN
        with pytest.raises(Exception, match="belongs to user") as refused:
            ProvenDaemon.find(of_nobody.users_dir)

        assert refused.value.exit_code == 4
        forger.communicate(b"")
        innocent.kill()
