"""`console`, `user`, `token`: what they print, what they refuse, and that no password is an argument."""

from __future__ import annotations

import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import eventually

from taskserver.extras import installing
from taskserver.store import Store
from taskserver.web import packages
from taskserver.web.security.passwords import verified

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"


@pytest.fixture
def typed(monkeypatch):
    """What stands on standard input, which is no terminal."""

    def give(text):
        monkeypatch.setattr(
            "sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode() if isinstance(text, str) else text))
        )

    return give


@pytest.fixture
def store(task_server):
    with Store.open(f"sqlite:///{task_server.database}") as store:
        yield store


def test_a_user_is_added_with_a_password_from_standard_input(task_server, typed, store):
    task_server.ok("client", "add", "acme")
    typed(PASSWORD + "\n")

    told = task_server.ok("user", "add", "anna", "--role", "operator", "--client", "acme", "--password-stdin")

    known = store.users.credentials("anna")
    assert told.out == "user anna is added\n"
    assert known is not None
    assert verified(known[1], PASSWORD)
    assert [(grant.role, grant.client) for grant in store.users.get("anna")["roles"]] == [("operator", "acme")]
    assert store.audit.find()[0]["action"] == "user.add"
    assert PASSWORD not in str(store.audit.find())


@pytest.mark.parametrize("words", [("user", "add", "anna"), ("user", "set-password", "anna")])
def test_a_password_is_not_read_from_where_nobody_said_it_is(task_server, typed, store, words):
    store.users.add("anna") if "add" not in words else None
    typed(PASSWORD + "\n")

    refused = task_server(*words)

    assert refused.code == 2
    assert "--password-stdin" in refused.err
    assert "Traceback" not in refused.err


def test_no_command_takes_a_password_as_an_argument():
    from taskserver.cli.user import user

    options = {
        name for command in user.commands.values() for parameter in command.params for name in parameter.opts
    }

    assert not any("password" in name for name in options - {"--password-stdin"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("short\n", "at least 10 characters"),
        ("\n", "at least 10 characters"),
        ("anna-of-office\n", "must not be the user's name"),
        (b"\xff\xfe" * 10 + b"\n", "not UTF-8"),
        ("x" * 5000, "too long"),
    ],
)
def test_a_bad_password_is_refused_with_a_sentence(task_server, typed, store, given, said):
    typed(given)

    refused = task_server("user", "add", "anna-of-office", "--password-stdin")

    assert refused.code == 2
    assert said in refused.err
    assert store.users.find() == []


def test_users_are_listed_shown_changed_and_deleted(task_server, typed, store):
    typed(PASSWORD + "\n")
    task_server.ok("user", "add", "anna", "--role", "administrator", "--password-stdin")
    typed(PASSWORD + "\n")
    task_server.ok("user", "add", "bert", "--password-stdin")

    task_server.ok("user", "edit", "bert", "--language", "de", "--time-zone", "Asia/Tokyo", "--inactive")
    task_server.ok("user", "set-role", "bert", "viewer")
    listed = task_server.ok("user", "list", "--json").json
    shown = task_server.ok("user", "show", "bert")

    assert [(row["name"], row["roles"]) for row in listed] == [
        ("anna", [{"role": "administrator", "client": None}]),
        ("bert", [{"role": "viewer", "client": None}]),
    ]
    assert "password_hash" not in listed[0]
    assert re.search(r"Active: +no\n", shown.out)
    assert "Asia/Tokyo" in shown.out
    assert "anna" in task_server.ok("user", "list").out
    task_server.ok("user", "set-role", "bert", "--none")
    assert store.users.get("bert")["roles"] == []
    assert task_server.ok("user", "edit", "bert", "--rename", "bob", "--json").json["name"] == "bob"
    assert task_server.ok("user", "delete", "bob").out == "user bob is deleted\n"
    refused = task_server("user", "delete", "anna")
    assert refused.code == 0
    assert store.users.find() == []


def test_the_last_administrator_is_not_taken_away(task_server, store):
    from taskserver.store import Role

    store.users.add("anna", role=Role.ADMINISTRATOR)
    store.users.add("bert", role=Role.VIEWER)

    refused = task_server("user", "delete", "anna")

    assert refused.code == 1
    assert "must stay an administrator" in refused.err
    assert [row["action"] for row in store.audit.find()] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("user", "show", "nobody"), 153, "there is no user nobody"),
        (("user", "edit", "nobody", "--language", "de"), 153, "there is no user nobody"),
        (("user", "edit", "anna"), 2, "nothing to change"),
        (("user", "edit", "anna", "--time-zone", "Mars"), 2, "there is no time zone Mars"),
        (("user", "set-role", "anna"), 2, "ROLE or --none"),
        (("user", "set-role", "anna", "viewer", "--none"), 2, "ROLE or --none"),
        (("user", "set-role", "anna", "boss"), 2, "boss"),
        (("user", "set-role", "anna", "viewer", "--client", "no"), 153, "there is no client no"),
        (("user", "add", "bert", "--client", "default", "--password-stdin"), 2, "--client goes with --role"),
        (("token", "add", "ci"), 2, "--role"),
        (("token", "delete", "ci"), 153, "there is no token ci"),
        (("token", "add", "ci", "--role", "viewer", "--client", "no"), 153, "there is no client no"),
    ],
)
def test_mistakes_are_one_sentence(task_server, store, words, code, said):
    store.users.add("anna")

    refused = task_server(*words)

    assert refused.code == code
    assert said in refused.err
    assert "Traceback" not in refused.err


def test_a_token_is_printed_once(task_server, store):
    made = task_server.ok("token", "add", "erp", "--role", "operator", "--client", "default", "--expires", "365d")
    token = made.out.strip()

    listed = task_server.ok("token", "list")
    document = task_server.ok("token", "list", "--json")

    from taskserver.web.security.tokens import secret_hash

    found = store.tokens.use(secret_hash(token))
    assert token.startswith("tsk_")
    assert found is not None
    assert (found[0], found[1].role, found[1].client) == ("erp", "operator", "default")
    assert token not in listed.out + document.out + made.err
    assert document.json[0]["expires_at"] is not None
    task_server.ok("token", "delete", "erp")
    assert task_server.ok("token", "list", "--json").json == []


def test_a_login_url_is_printed_until_there_is_a_user(task_server, store):
    first = task_server.ok("console", "login-url").out.strip()
    second = task_server.ok("console", "login-url", "--json").json["url"]
    store.users.add("anna")

    refused = task_server("console", "login-url")

    assert re.fullmatch(r"http://127\.0\.0\.1:8742/first-login\?link=[\w-]{43}", first)
    assert first != second
    assert refused.code == 1
    assert "user set-password NAME" in refused.err


def test_a_login_url_is_the_address_that_people_type(task_server):
    with task_server.config.open("a") as config:
        config.write('[task_server.console]\npublic_url = "https://erp.example.com"\nroot_path = "/tasks"\n')

    link = task_server.ok("console", "login-url").out

    assert link.startswith("https://erp.example.com/tasks/first-login?link=")


@pytest.mark.parametrize("words", [("console",), ("console", "login-url")])
def test_without_the_extra_it_says_how_to_install_it(task_server, monkeypatch, words):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "fastapi" else object())

    refused = task_server(*words)

    assert refused.code == 5
    assert refused.err == (
        f"task_server: the console needs the Python package fastapi: install it with: {installing('console')}\n"
    )


def test_commands_that_need_no_console_import_none(task_server):
    program = (
        "import sys; from taskserver.cli import main; main(sys.argv[1:]); "
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'jinja2', 'argon2'} & set(sys.modules)))"
    )
    for words in (["status"], ["client", "list"], ["user", "list"], ["help", "console"]):
        done = subprocess.run(
            [sys.executable, "-c", program, "-c", str(task_server.config), *words],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]", words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_root_serves_the_network_by_leave_alone(task_server):
    config = task_server.config.read_text().replace("allow_root = true\n", "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        task_server.config.write_text(f"{config}[task_server.console]\nport = {port}\n")

        refused, start = task_server("console"), task_server("start")
        allowed = [task_server("console", "--allow-root"), task_server("--allow-root", "console")]

    assert refused == start
    assert refused.code == 6
    assert "does not work as root" in refused.err
    assert ["Address already in use" in result.err for result in allowed] == [True, True]


def test_it_serves_until_a_signal_and_says_where(task_server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with task_server.config.open("a") as config:
        config.write(f"[task_server.console]\nport = {port}\n")
    log = tmp_path / "console.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from taskserver.cli import main; raise SystemExit(main())"),
                *("-c", str(task_server.config), "--lang", "en", "console"),
            ],
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        eventually(lambda: "is served at" in log.read_text(), what="the console")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/login")
        status = connection.getresponse().status
        connection.close()
        taken = task_server("console")
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    finally:
        process.kill()
        process.wait(10)

    assert status == 200
    assert code == 0
    assert f"http://127.0.0.1:{port}/first-login?link=" in log.read_text()
    assert '"GET /login" 200' in log.read_text()
    assert taken.code == 1
    assert f"port {port}: Address already in use" in taken.err
