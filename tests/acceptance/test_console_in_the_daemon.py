"""The console as the daemon's child: served, restarted, ended with the daemon, and never in its way."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scratch_server import TaskServer, is_alive
from waiting import eventually

from taskserver.daemon import console
from taskserver.extras import installing


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def served(server: TaskServer, port: int) -> TaskServer:
    server.configure(console={"enabled": True, "port": port})
    return server


def page(port: int, path: str = "/login") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def state(server: TaskServer) -> dict[str, Any]:
    return dict(server.json("status", code=None).get("console", {"state": ""}))


def serving(server: TaskServer, *, but: int = 0) -> dict[str, Any]:
    """The console, once it is served (by another process than `but`)."""

    def found() -> dict[str, Any] | None:
        seen = state(server)
        return seen if seen["state"] == "serving" and seen["pid"] != but else None

    return dict(eventually(found, what="the console", seconds=30))


def test_start_tells_the_address_and_the_link_of_the_first_login_and_the_log_does_not(served, port):
    told = served.control("start")

    link = told.stderr.rpartition(" ")[2].strip()
    assert f"the console is served at http://127.0.0.1:{port}/" in told.stderr
    assert link.startswith(f"http://127.0.0.1:{port}/first-login?link=")
    assert page(port, link.partition(str(port))[2]) == 200
    assert "link=" not in served.log
    assert f"console:       http://127.0.0.1:{port}/" in served.control("status").stdout


def test_start_as_json_has_the_link_too(served, port):
    told = json.loads(served.control("start", "--json").stdout)

    assert told["console"]["address"] == f"http://127.0.0.1:{port}/"
    assert "/first-login?link=" in told["console"]["first_login"]


def test_what_is_kept_does_not_get_the_link(served, tmp_path: Path):
    kept = tmp_path / "boot.log"

    with kept.open("w") as file:
        assert served.spawn("start", stderr=file).wait(60) == 0

    assert "link=" not in kept.read_text()
    assert "console login-url" in kept.read_text()


def test_with_a_user_there_is_no_link(served, sqlite_template):
    served.users_dir.mkdir(mode=0o750)
    (served.users_dir / "taskserver.sqlite").write_bytes(sqlite_template.read_bytes())
    served.rows.execute("INSERT INTO users (name) VALUES ('anna')")

    told = served.control("start")

    assert "the console is served" in told.stderr
    assert "link" not in told.stderr


def test_a_console_that_was_killed_comes_again(served, port):
    served.start()
    first = state(served)["pid"]

    os.kill(first, signal.SIGKILL)

    assert serving(served, but=first)["address"] == f"http://127.0.0.1:{port}/"
    assert page(port) == 200
    assert served.log.count("the console is not served: it was killed by signal 9") == 1


def test_a_taken_port_is_said_once_and_jobs_run_on(served, port):
    with socket.create_server(("127.0.0.1", port)):
        told = served.control("start")
        checked = served.control("check", code=None)

        assert f"not served: the console can't listen on 127.0.0.1 port {port}" in told.stderr
        assert served.wait(served.add("quick")) == ["finished"]
        assert state(served)["state"] == "failed"
    serving(served)

    assert served.log.count("can't listen") == 1
    assert checked.returncode == 0  # the daemon runs, so the port is tried by nobody


def test_check_finds_what_keeps_the_console_from_being_served(served, port, tmp_path):
    token = tmp_path / "token"
    token.write_text("\n")
    served.configure(console={"enabled": True, "port": port, "metrics_token_file": str(token)})

    with socket.create_server(("127.0.0.1", port)):
        checked = served.control("check", code=1)

    assert f"console: the console can't listen on 127.0.0.1 port {port}: Address already in use" in checked.stderr
    assert f"console: {token} (metrics_token_file) is empty" in checked.stderr


def test_it_ends_with_a_daemon_that_was_killed(served):
    served.start()
    child = state(served)["pid"]

    served.kill(signal.SIGKILL)

    eventually(lambda: not is_alive(child), what="the end of the console")


def test_the_drain_can_be_watched_to_its_end(served, port):
    served.configure(drain_timeout=30)
    served.start()
    job = served.add("patient")
    eventually(lambda: served.is_running(job), what="the job")
    child = state(served)["pid"]

    served.kill(signal.SIGTERM)
    eventually(lambda: served.status()["state"] == "draining", what="the drain")

    assert page(port) == 200
    served.kill(signal.SIGTERM)
    eventually(lambda: not is_alive(child), what="the end of the console")


def test_a_reload_restarts_it_only_when_its_settings_are_other_ones(served, port):
    served.start()
    first = state(served)["pid"]

    served.control("reload")
    same = state(served)["pid"]
    served.configure(console={"enabled": True, "port": port, "root_path": "/tasks"})
    served.control("reload")
    second = serving(served, but=first)
    served.configure(console={"enabled": False})
    served.control("reload")
    eventually(lambda: not is_alive(second["pid"]), what="the end of the console")

    assert same == first
    assert second["address"] == f"http://127.0.0.1:{port}/tasks/"
    assert state(served) == {"state": "off"}
    assert served.log.count("the console is not served") == 0


def test_a_reload_does_not_lead_it_to_another_database_than_the_daemon_s(served, port, tmp_path):
    served.start()
    first = state(served)["pid"]

    served.configure(database=f"sqlite:///{tmp_path}/other.sqlite", debug=True)
    told = served.control("reload", code=None)
    second = serving(served, but=first)

    files = [str(link.readlink()) for link in Path(f"/proc/{second['pid']}/fd").iterdir()]
    assert "task_server.database" in told.stderr
    assert str(served.users_dir / "taskserver.sqlite") in files
    assert not (tmp_path / "other.sqlite").exists()


def test_it_has_nothing_of_the_daemon_s_open(served):
    served.start()
    child = state(served)["pid"]

    files = {link.name: str(link.readlink()) for link in Path(f"/proc/{child}/fd").iterdir()}

    assert files["0"] == "/dev/null"
    assert not [file for file in files.values() if file.endswith((".pid", ".lock", "control.sock"))]
    assert b"sqlite" not in Path(f"/proc/{child}/cmdline").read_bytes()


def test_a_database_that_takes_the_place_of_another_is_shown(served, port):
    served.start()
    first = state(served)["pid"]
    file = served.users_dir / "taskserver.sqlite"
    with sqlite3.connect(file) as source, sqlite3.connect(served.folder / "copy") as copy:
        source.backup(copy)
        copy.execute("INSERT INTO users (name) VALUES ('anna')")
        copy.execute("PRAGMA journal_mode = WAL")

    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    (served.folder / "copy").replace(file)

    second = serving(served, but=first)
    files = [str(link.readlink()) for link in Path(f"/proc/{second['pid']}/fd").iterdir()]
    assert str(file) in files


@pytest.fixture
def in_a_terminal(served: TaskServer) -> Iterator[Callable[[], bytes]]:
    """`run` with a terminal for standard error; what stands on it so far."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = served.spawn("run", stderr=theirs)
    os.close(theirs)
    seen = b""

    def screen() -> bytes:
        nonlocal seen
        with contextlib.suppress(OSError):  # nothing new, or the other end is closed
            seen += os.read(ours, 65536)
        return seen

    yield screen
    process.terminate()
    process.wait(30)
    os.close(ours)


def test_run_tells_the_link_to_a_terminal(in_a_terminal):
    eventually(lambda: b"/first-login?link=" in in_a_terminal(), what="the link", seconds=30)


def test_run_tells_no_log_the_link(served):
    process = served.spawn("run", stderr=subprocess.PIPE)
    serving(served)
    served.stop()

    assert "link=" not in process.communicate(timeout=30)[1]


def test_a_missing_package_is_said_with_what_to_install(served, tmp_path):
    """The daemon of this test can't find fastapi, as if the extra had not been installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'fastapi' else find(name, *more)\n"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONPATH": str(tmp_path)}

    checked = served.control("check", code=5, env=environment)
    told = served.control("start", env=environment)

    sentence = f"the console needs the Python package fastapi: install it with: {installing('console')}"
    assert f"console: {sentence}" in checked.stderr
    assert f"the console is not served: {sentence}" in told.stderr
    assert served.status()["console"] == {"state": "failed", "reason": sentence}


def test_failures_are_tried_again_later_and_later(make_failing):
    keeper, clock = make_failing()

    waits = []
    for _ in range(9):
        waits.append(keeper.patience())
        clock.now += waits[-1]
        keeper.step()

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert keeper.told == ["the console is not served: %s; it is tried again and again"]


@pytest.fixture
def make_failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A keeper on a machine that can't start a process, and its clock."""

    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            return self.now

    def make() -> Any:
        from taskserver.config import Settings

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(console.subprocess, "Popen", refuse)
        clock = Clock()
        told: list[str] = []

        class Log:
            def error(self, text: str, *_: object) -> None:
                told.append(text)

        keeper: Any = console.ConsoleKeeper(Log(), clock=clock)  # type: ignore[arg-type]
        keeper.told = told
        keeper.serve(Settings.model_validate({"console": {"enabled": True}}))
        return keeper, clock

    return make
