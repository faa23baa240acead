"""Whom the daemon becomes. What needs root to be shown is shown in processes of its own."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from real_daemon import ROOT

from taskserver.daemon import environment, identity
from taskserver.daemon.identity import Identity, NotBecome, RootRefused, SomebodyElse, UnknownUser

SYSTEM_PYTHON = Path("/usr/bin/python3")

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not SYSTEM_PYTHON.exists(), reason="needs root and /usr/bin/python3"
)

BECOME = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from taskserver.daemon import identity
os.setgroups([0, 4, 27])
identity.become(identity.resolve("nobody"))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "ids": [status[name].split() for name in ("Uid", "Gid", "Groups")],
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    "environment": dict(os.environ),
}))
for regain in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        regain()
    except PermissionError:
        continue
    sys.exit("root was regained")
"""


@as_root
def test_nothing_of_root_is_left(open_to_all):
    secrets = {"SUDO_USER": "chief", "SSH_AUTH_SOCK": "/tmp/agent", "LANG": "de_DE.UTF-8", "HOME": "/root"}
    done = subprocess.run(
        [SYSTEM_PYTHON, "-B", "-c", BECOME, str(open_to_all)],
        capture_output=True,
        text=True,
        env={**secrets, "PATH": "/bin"},
        cwd="/",
        check=True,
    )

    told, nobody = json.loads(done.stdout), pwd.getpwnam("nobody")
    uids, gids, groups = told["ids"]
    assert set(uids) == {str(nobody.pw_uid)}
    assert set(gids) == {str(nobody.pw_gid)}
    assert set(groups) == {str(group) for group in os.getgrouplist("nobody", nobody.pw_gid)}
    assert {int(value, 16) for value in told["capabilities"]} == {0}
    assert told["environment"]["HOME"] == nobody.pw_dir
    assert told["environment"]["USER"] == told["environment"]["LOGNAME"] == "nobody"
    assert told["environment"]["LANG"] == "de_DE.UTF-8"
    assert not {"SUDO_USER", "SSH_AUTH_SOCK"} & set(told["environment"])


@as_root
def test_a_user_may_name_itself_and_nobody_else(open_to_all):
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from taskserver.daemon import identity\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "assert not identity.resolve('nobody').changes\n"
        "assert not identity.resolve(None).changes\n"
        "try: identity.resolve('daemon')\n"
        "except identity.SomebodyElse as error: print(error.exit_code, error)\n"
    )
    done = subprocess.run(
        [SYSTEM_PYTHON, "-B", "-c", program, str(open_to_all)], capture_output=True, text=True, cwd="/", check=True
    )

    assert done.stdout.startswith("4 run_as is 'daemon'")


def test_an_unknown_user_is_a_matter_of_configuration():
    with pytest.raises(UnknownUser, match="no-such-user-here") as unknown:
        identity.resolve("no-such-user-here")

    assert unknown.value.exit_code == 6


@pytest.mark.parametrize("name", ["", "nul\0byte", "x" * 5000, "root:root", "ümläut", "-1"])
def test_odd_names_are_unknown_users(name):
    with pytest.raises(UnknownUser):
        identity.resolve(name)


@pytest.mark.parametrize("run_as", [None, "root"])
def test_root_is_refused_unless_it_is_allowed(monkeypatch, run_as):
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    with pytest.raises(RootRefused, match="allow_root") as refused:
        identity.resolve(run_as)

    assert refused.value.exit_code == 6
    assert not identity.resolve(run_as, allow_root=True).changes


def test_one_who_is_not_root_cannot_become_another(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    with pytest.raises(SomebodyElse, match="nobody") as refused:
        identity.resolve("nobody", allow_root=True)

    assert refused.value.exit_code == 4


def test_a_number_without_a_name_may_run_it(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    assert identity.resolve(None).name == "4711"


def test_what_was_not_become_is_found_out():
    wanted = Identity("stranger", 4711, 4711, (4711,), "/", "/bin/sh", changes=True)

    with pytest.raises(NotBecome, match="uid"):
        identity.verify(wanted)


@as_root
def test_the_closed_folder_on_the_way_is_named(open_to_all):
    nobody = identity.resolve("nobody")
    closed, link = open_to_all / "closed", open_to_all / "link"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "python").write_text("")
    link.symlink_to(closed / "inner" / "python")

    closed.chmod(0o700)
    assert identity.barrier(link, nobody) == closed
    closed.chmod(0o755)
    (closed / "inner").chmod(0o711)
    (closed / "inner" / "python").chmod(0o600)
    assert identity.barrier(link, nobody) == closed / "inner" / "python"
    (closed / "inner" / "python").chmod(0o604)
    assert identity.barrier(link, nobody) is None


def test_the_environment_keeps_what_is_known_and_adds_what_is_the_users():
    someone = Identity("someone", 1, 1, (1,), "/home/someone", "/bin/sh", changes=True)
    given = {"MYAPP": "x", "DBUS_SESSION_BUS_ADDRESS": "y", "TZ": "UTC", "USER": "root"}

    scrubbed = identity.scrubbed_environment(someone, given)

    assert scrubbed == {
        "TZ": "UTC",
        "PATH": environment.DEFAULT_PATH,
        "HOME": "/home/someone",
        "USER": "someone",
        "LOGNAME": "someone",
        "SHELL": "/bin/sh",
    }


def test_the_layer_needs_the_standard_library_only():
    program = (
        "import sys, taskserver.daemon.stopping, taskserver.daemon.identity, taskserver.daemon.logs;"
        "print([name for name in ('sqlalchemy', 'pydantic', 'click', 'daemon') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)

    assert done.stdout.strip() == "[]"
