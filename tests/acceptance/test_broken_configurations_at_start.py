"""`start` with a configuration that is broken in every way: one clear message, exit 6, nothing running."""

from __future__ import annotations

import os

import pytest

TOML = {
    "syntax": (b"[task_server\nmax_parallel = 2\n", ["line 1", ":1"]),
    "encoding": (b'[task_server]\nnode_id = "M\xfcnchen"\n', ["UTF-8", "utf-8"]),
    "type": (b'[task_server]\nmax_parallel = "many"\n', ["task_server.max_parallel"]),
    "range": (b"[task_server]\nmax_parallel = -1\n", ["task_server.max_parallel"]),
    "unknown key": (b"[task_server]\nmax_paralel = 2\n", ["max_parallel"]),
    "unknown section": (b"[task_server]\n[task_server.notify_on_failur]\n", ["notify_on_failur"]),
    "near section": (b"[taskserver]\nmax_parallel = 2\n", ["task_server"]),
    "missing section": (b"title = 'nothing here'\n", ["task_server"]),
    "contradictory": (b'[task_server]\nrun_as = "root"\n', ["task_server.run_as"]),
    "dangerous": (b'[task_server]\nallow_root = true\n[tasks.x]\ncommand = ["sh", "-c", "{line}"]\n', ["tasks.x"]),
    "bad time zone": (b'[task_server]\ntime_zone = "Europe/Berlim"\n', ["Europe/Berlin"]),
    "bad database": (b'[task_server]\ndatabase = "oracle://x"\n', ["task_server.database"]),
    "duplicate": (b"[task_server]\ndebug = true\ndebug = false\n", ["debug", ":3", "line 3"]),
    "login as in old times": (b'[task_server]\nlogin = "demo"\n', ["login"]),
}
INI = {
    "syntax": (b"[task_server]\nthis is no key\n", [":2", "line 2"]),
    "encoding": (b"[task_server]\nnode_id = M\xfcnchen\n", ["UTF-8", "utf-8"]),
    "type": (b"[task_server]\nmax_parallel = many\n", ["task_server.max_parallel"]),
    "range": (b"[task_server]\nmax_parallel = 0\n", ["task_server.max_parallel"]),
    "unknown key": (b"[task_server]\nmax_paralel = 2\n", ["max_parallel"]),
    "unknown section": (b"[task_server]\n[task_server/notify_on_failur]\nx = 1\n", ["notify_on_failur"]),
    "near section": (b"[task-server]\nmax_parallel = 2\n", ["task_server"]),
    "missing section": (b"[system]\nmemory_limit_rss = 1 GB\n", ["task_server"]),
    "contradictory": (b"[task_server]\nrun_as = root\n", ["task_server.run_as"]),
    "duplicate key": (b"[task_server]\ndebug = 1\ndebug = 0\n", ["debug"]),
    "duplicate section": (b"[task_server]\ndebug = 1\n[task_server]\ndebug = 0\n", ["task_server"]),
    "boolean": (b"[task_server]\ndebug = perhaps\n", ["task_server.debug"]),
    "login as in old times": (b"[task_server]\nlogin = demo\n", ["login"]),
    "client as in old times": (b"[task_server]\nclient = 1\n", ["client"]),
}
CASES = [
    pytest.param(f"broken.{ending}", *case, id=f"{ending}: {kind}")
    for ending, cases in (("toml", TOML), ("ini", INI))
    for kind, case in cases.items()
]


@pytest.mark.parametrize(("name", "content", "words"), CASES)
def test_start_names_file_and_fault(server, name, content, words):
    server.config_file = server.folder / name
    server.config_file.write_bytes(content)

    done = server.control("start", code=6)

    assert str(server.config_file) in done.stderr
    assert any(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) <= 3
    assert not server.processes()


@pytest.mark.parametrize("kind", ["missing", "folder", "unreadable"])
def test_start_names_a_file_that_it_cannot_read(server, kind):
    server.config_file = server.folder / "other.toml"
    if kind == "folder":
        server.config_file.mkdir()
    if kind == "unreadable":
        server.config_file.symlink_to("/proc/self/mem" if os.geteuid() == 0 else "/etc/shadow")

    done = server.control("start", code=6)

    assert str(server.config_file) in done.stderr
    assert not server.processes()


def test_every_fault_is_told_at_once(server):
    server.configure(max_parallel="many", poll_interval=-1, time_zone="Moon/Crater")

    for command in ("start", "check", "run"):
        said = server.control(command, code=6).stderr
        for key in ("max_parallel", "poll_interval", "time_zone"):
            assert f"task_server.{key}" in said
