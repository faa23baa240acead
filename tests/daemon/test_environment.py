"""What passes from root's environment to the daemon's user, and what is left of the rest."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from real_daemon import ROOT

from taskserver.daemon import environment


@pytest.mark.parametrize(
    "name",
    [
        *("LANG", "LANGUAGE", "LC_ALL", "LC_TIME", "TZ", "TASKSERVER_CONFIG", "NOTIFY_SOCKET", "WATCHDOG_USEC"),
        *("JOURNAL_STREAM", "INVOCATION_ID", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"),
    ],
)
def test_what_the_daemon_needs_passes(name):
    assert environment.passed({name: "x"})[name] == "x"


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "PGPASSFILE", "PGUSER", "PGSERVICEFILE", "MYSQL_PWD"),
        *("SSH_AUTH_SOCK", "SUDO_USER", "SUDO_COMMAND", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "MAIL"),
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV", "ENV", "IFS"),
        *("HTTPS_PROXY", "http_proxy", "KRB5CCNAME", "LISTEN_FDS", "TMPDIR", "TERM", "NOTLANG", "LANGX", "TZDIR"),
    ],
)
def test_nothing_else_does(name):
    assert set(environment.passed({name: "secret"})) == {"PATH"}


def test_what_the_configuration_names_passes_as_well():
    given = {"MYAPP_A": "1", "MYAPP": "2", "EXACT": "3", "EXACTLY": "4"}

    assert set(environment.passed(given, ["MYAPP_*", "EXACT"])) == {"MYAPP_A", "EXACT", "PATH"}


@pytest.mark.parametrize(
    ("path", "home", "kept"),
    [
        ("/usr/bin:/bin", "/root", "/usr/bin:/bin"),
        (".:/usr/bin::bin:/bin", "/root", "/usr/bin:/bin"),
        ("/root/bin:/usr/bin:/rootless/bin:/root", "/root/", "/usr/bin:/rootless/bin"),
        ("/usr/bin", "/", "/usr/bin"),
        ("/usr/bin", None, "/usr/bin"),
        (".", "/root", environment.DEFAULT_PATH),
        (None, "/root", environment.DEFAULT_PATH),
    ],
)
def test_of_path_only_what_belongs_to_the_system(path, home, kept):
    given = {name: value for name, value in {"PATH": path, "HOME": home}.items() if value is not None}

    assert environment.passed(given)["PATH"] == kept


def test_what_is_forgotten_is_gone_from_the_process_itself():
    """The kernel and the C library remember the environment of the start apart from os.environ."""
    program = (
        "import ctypes, os, sys\n"
        "from taskserver.daemon import environment\n"
        "environment.forget({'KEPT': 'yes'})\n"
        "getenv = ctypes.CDLL(None).getenv; getenv.restype = ctypes.c_char_p\n"
        "print(dict(os.environ), getenv(b'SECRET'), getenv(b'KEPT'))\n"
        "print(b'canary' in open('/proc/self/environ', 'rb').read())\n"
        "print(os.popen('env').read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SECRET": "canary"},
        capture_output=True,
        text=True,
        check=True,
    )

    first, second, *rest = done.stdout.splitlines()
    assert (first, second) == ("{'KEPT': 'yes'} None b'yes'", "False")
    assert "KEPT=yes" in rest
    assert "canary" not in done.stdout
