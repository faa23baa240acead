"""A password of the database, looked for in all that the control program and the daemon say, and in /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from scratch_server import all_pids
from sqlalchemy import make_url
from waiting import eventually

pytestmark = pytest.mark.slow

CANARY = "canary-7f3a"
PLACES = ("url", "query", "file")


@pytest.fixture(params=PLACES)
def keeping_a_secret(request, new_server, postgres_url):
    """A server whose database has a password, in each of the places where it may stand."""
    place, url = request.param, make_url(postgres_url)
    server = new_server(postgres_url, debug=True)
    if place == "url":
        server.configure(database=url.set(password=CANARY).render_as_string(hide_password=False))
    elif place == "query":
        query = {**url.query, "password": CANARY}
        server.configure(database=url.set(query=query).render_as_string(hide_password=False))
    else:
        (server.folder / "password").write_text(CANARY + "\n")
        (server.folder / "password").chmod(0o600)
        server.configure(database_password_file=str(server.folder / "password"))
    server.config_file.chmod(0o600)
    server.add_command("sleeper", "sleep 60")
    server.config_file.chmod(0o600)
    return server


COMMANDS = (
    ("check",),
    ("check", "--json"),
    ("config", "show"),
    ("config", "show", "--json", "--origin"),
    ("db", "status", "--json"),
    ("db", "upgrade"),
    ("job", "list"),
    ("job", "add", "quick"),
    ("job", "add", "no-such-task"),
    ("schedule", "list", "--json"),
    ("history", "list"),
    ("task", "list"),
    ("client", "list"),
    ("start",),
    ("reload",),
    ("status",),
    ("status", "--json"),
    ("wake",),
    ("restart",),
    ("stop",),
    ("--run-job=1", "start"),
)
OF_EACH_PLACE = COMMANDS[:6] + COMMANDS[13:17]
"""What shows settings, opens the database, starts: asked for each place. All others take the same way."""


def told_by(server, *words):
    options = {
        "env": os.environ | {"LC_ALL": "C", "TASKSERVER_TRACEBACK": "1", "ACCEPTANCE_FOLDER": str(server.folder)}
    }
    process = server.spawn(*words, **options)
    out, err = process.communicate(timeout=60)
    return f"{out}\n{err}"


def test_while_the_database_is_there(keeping_a_secret, request):
    place = request.node.callspec.params["keeping_a_secret"]
    server = keeping_a_secret
    server.control("db", "upgrade")

    commands = COMMANDS if place == "url" else OF_EACH_PLACE

    told = {words: told_by(server, *words) for words in commands}
    pid = server.start()
    job = server.add("sleeper")
    eventually(lambda: server.is_running(job) and any("sleep" in line for line in _command_lines(pid)))
    lines = _command_lines(pid)
    server.control("stop", "--now")

    assert [words for words, text in told.items() if CANARY in text] == []
    assert len(lines) >= 3, "the daemon, the launcher and the command"
    assert not any(CANARY in line for line in lines)
    assert "started" in told["start",]
    assert CANARY not in server.log
    assert all(CANARY not in (path.read_text(errors="replace")) for path in server.users_dir.glob("*.pid"))


def _command_lines(daemon):
    """Those of the daemon and of whatever comes from it."""
    lines = []
    for one in all_pids():
        if _is_of(one, daemon):
            with suppress(OSError):  # it has just ended
                lines.append(Path(f"/proc/{one}/cmdline").read_text())
    return lines


def _is_of(pid, daemon):
    """Whether the process is the daemon or comes from it."""
    while pid not in (0, 1, daemon):
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == daemon


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://somebody:{canary}@127.0.0.1:9/nowhere",
        "postgresql://somebody:{canary}@127.0.0.1:9/nowhere?sslmode=nonsense",
        "postgresql://somebody:{canary}@127.0.0.1:9/nowhere?no_such_option=1",
        "postgresql://somebody:{canary}@no.such.host.invalid/nowhere",
        "postgresql://somebody:{canary}@@127.0.0.1/nowhere",
        "postgresql://somebody:{canary}@127.0.0.1:port/nowhere",
        "postgresql://somebody@127.0.0.1:9/nowhere?password={canary}",
        "postgresql://somebody@127.0.0.1:9/nowhere?sslpassword={canary}",
        "postgres+nodriver://somebody:{canary}@127.0.0.1/nowhere",
        "mssql://somebody:{canary}@127.0.0.1/nowhere",
        "somebody:{canary}@127.0.0.1/nowhere",
    ],
)
def test_nor_when_it_is_not(new_server, broken):
    server = new_server(database_wait=0, debug=True)
    server.configure(database=broken.format(canary=CANARY))
    server.config_file.chmod(0o600)

    calls = (("check",), ("job", "list"), ("db", "upgrade"), ("start",), ("config", "show"), ("stop", "--now"))
    told = {words: told_by(server, *words) for words in calls}

    assert [words for words, text in told.items() if CANARY in text] == []
    assert CANARY not in server.log
    assert any(len(text) > 10 for text in told.values())


@pytest.mark.parametrize("mode", [0o604, 0o640])
def test_a_configuration_with_a_password_that_others_may_read_is_refused(new_server, mode):
    server = new_server()
    server.configure(database=f"postgresql://u:{CANARY}@127.0.0.1:9/x")
    os.chown(server.config_file, 0, 65534)
    server.config_file.chmod(mode)

    for words in (("start",), ("check",), ("job", "list"), ("run",), ("db", "upgrade")):
        told = server.control(*words, code=6).stderr
        assert f"chmod {'640' if mode == 0o604 else 'g-rw'} {server.config_file}" in told
        assert CANARY not in told


@pytest.mark.parametrize("mode", [0o604, 0o640])
def test_a_password_file_that_others_may_read_is_refused(new_server, mode):
    secret = new_server().folder / "secret"
    secret.write_text(CANARY)
    server = new_server(database="postgresql://u@127.0.0.1:9/x", database_password_file=str(secret))
    os.chown(secret, 0, 65534)
    secret.chmod(mode)

    for words in (("start",), ("check",), ("job", "list"), ("run",), ("db", "upgrade")):
        told = server.control(*words, code=6).stderr
        assert f"chmod {'640' if mode == 0o604 else 'g-rw'} {secret}" in told
        assert CANARY not in told
    os.chown(secret, 0, 0)
    secret.chmod(0o640)
    assert "secret" not in server.control("config", "show").stderr
