"""Properties: no bytes crash the loader, and what is shown or converted is loaded as the same settings."""

# ruff: noqa: E501  a list of pieces reads better in long lines

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskserver.config import ConfigurationError, Settings, convert, load, peek, show
from taskserver.config.toml_lines import key_lines

COUNT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PIECES = st.sampled_from(
    ["[task_server]\n", "[task_server/notify_on_failure]\n", "[task_server/console]\n", "[tasks.x]\n", "[tasks/x]\n", "[tasks/x/env]\n", "[system]\n",
     "command = ", "[", "]", "{", "}", '"', "'", "'''", "=", "\n", "modules = ", "a.b.c = 1\n", "{p}", "database = ", "://",
     "sqlite:///", "postgresql://", "@", ":", "/", "lease = ", "1e999", "0x", "nan", "\x00", "\\", "#", "ü", "\u2028", "time_zone = ",
     "users_dir = ", "1979-05-27T07:32:00Z", "max_parallel = ", "memory_limit_rss = ", "env = ", ",", "~", "\r", "\ufeff", "-c"]
)  # fmt: skip
CONTENTS = st.binary(max_size=400) | st.lists(PIECES, max_size=30).map("".join).map(str.encode)


def in_file(name: str, content: bytes | str, folder: str) -> Path:
    path = Path(folder, name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@COUNT
@given(CONTENTS, st.sampled_from(["a.toml", "a.ini"]))
@example(b"[task_server]\nmodules" + b".a" * 3000 + b"=1\n", "a.toml")
@example(b"[task_server]\ndebug = " + b"9" * 5000, "a.toml")
@example(b"[task_server]\nusers_dir = 1979-13-40\n", "a.toml")
@example(b"[task_server]\ntime_zone = '" + b"x" * 5000 + b"'\n", "a.toml")
@example(b"[task_server]\nusers_dir = '" + b"x/" * 5000 + b"'\n", "a.toml")
def test_no_bytes_crash_the_loader(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = in_file(name, content, folder)

        looked = peek(path)

        assert looked.users_dir.is_absolute()
        try:
            loaded = load(path)
        except ConfigurationError as error:
            assert error.faults
            assert error.message().startswith(folder)
            assert "Traceback" not in error.message()
        else:
            assert looked.faults is None
            assert looked.users_dir == loaded.users_dir
            assert looked.run_as == loaded.run_as


WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="{}"), min_size=1, max_size=12
)
ARGUMENTS = TEXTS | WORDS.map(lambda name: f"{{{name}}}") | st.just("{{x}}")
SECONDS = st.integers(1, 5000) | st.integers(10, 50000).map(lambda tenth: tenth / 10)


@st.composite
def task_tables(draw: st.DrawFn) -> dict[str, Any]:
    optional = {
        "title": TEXTS,
        "timeout": SECONDS,
        "success_exit_codes": st.lists(st.integers(0, 255), min_size=1, max_size=4),
        "max_attempts": st.integers(1, 1000),
        "max_parallel": st.integers(1, 1024),
        "output_limit": st.integers(1024, 1 << 20),
        "on_crash": st.sampled_from(["requeue", "fail"]),
        "env": st.dictionaries(WORDS, ARGUMENTS, max_size=3),
    }
    table = draw(st.fixed_dictionaries({"command": st.just(["/bin/true"])}, optional=optional))
    table["command"] = ["/bin/true", *draw(st.lists(ARGUMENTS, max_size=4))]
    return table


SERVER_TABLES = st.fixed_dictionaries(
    {},
    optional={
        "run_as": st.sampled_from(["www-data", "kivitendo"]),
        "debug": st.booleans(),
        "node_id": WORDS,
        "users_dir": WORDS,
        "database": st.sampled_from(["sqlite:///x.sqlite", "postgresql://u@h/d", "postgresql:///d?host=/run"]),
        "modules": st.lists(WORDS, max_size=3),
        "python_path": st.lists(WORDS, max_size=3),
        "max_parallel": st.integers(1, 1024),
        "drain_timeout": SECONDS,
        "database_wait": SECONDS,
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        "keep_finished_count": st.integers(0, 10**6) | st.just("none"),
        "log_format": st.sampled_from(["auto", "text", "json"]),
    },
)
CONSOLE_TABLES = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "port": st.integers(1, 65535),
        "root_path": st.sampled_from(["", "/tasks", "/erp/tasks"]),
        "public_url": st.sampled_from(["https://erp.example.com", "http://[::1]:8080"]),
        "allowed_hosts": st.lists(st.sampled_from(["erp", "erp.example.com:8443", "[::1]"]), max_size=3),
        "trusted_proxies": st.lists(st.sampled_from(["10.0.0.1", "fd00::/8"]), max_size=2),
        "session_lifetime": st.integers(60, 86400),
    },
)
NOTIFY_TABLES = st.fixed_dictionaries({}, optional={"email_from": TEXTS, "email_subject": TEXTS})
DOCUMENTS = st.builds(
    lambda server, console, notify, system, tasks: {
        "task_server": {**server, "console": console, "notify_on_failure": notify},
        "system": system,
        "tasks": tasks,
    },
    SERVER_TABLES,
    CONSOLE_TABLES,
    NOTIFY_TABLES,
    st.fixed_dictionaries({}, optional={"memory_limit_rss": st.integers(0, 1 << 40) | st.just("5 MB")}),
    st.dictionaries(WORDS, task_tables(), max_size=3),
)


def same(one: Settings, other: Settings) -> bool:
    skipped = {"file", "origins"}
    return one.model_dump(exclude=skipped) == other.model_dump(exclude=skipped)


@COUNT
@given(DOCUMENTS)
def test_shown_settings_load_as_the_same_settings(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = load(in_file("a.toml", tomli_w.dumps(document), folder))

        for origin in (False, True):
            assert same(load(in_file("b.toml", show(first, origin=origin), folder)), first)


@COUNT
@given(DOCUMENTS)
def test_a_converted_ini_file_loads_as_the_same_settings(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        from_toml = load(in_file("a.toml", tomli_w.dumps(document), folder))
        ini = in_file("a.ini", as_ini(document), folder)

        from_ini = load(ini)
        converted = load(in_file("b.toml", convert(ini), folder))

        assert same(from_ini, from_toml)
        assert same(converted, from_ini)


def as_ini(document: dict[str, Any]) -> str:
    lines: list[str] = []

    def add(section: str, table: dict[str, Any]) -> None:
        lines.append(f"[{section}]")
        lines.extend(f"{key} = {_ini(key, value)}" for key, value in table.items() if not isinstance(value, dict))
        for key, value in table.items():
            if isinstance(value, dict):
                add(f"{section}/{key}", value)

    add("task_server", document["task_server"])
    add("system", document["system"])
    for name, task in document["tasks"].items():
        add(f"tasks/{name}", task)
    return "\n".join(lines) + "\n"


def _ini(key: str, value: Any) -> str:
    import shlex

    if key == "command":
        return shlex.join(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


KEYS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@COUNT
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_every_key_of_a_toml_file_has_its_line(values: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(values, multiline_strings=multiline)
    lines = text.split("\n")

    places = key_lines(text)

    for key, value in values.items():
        if not isinstance(value, dict):
            start = lines[places[(key,)] - 1]
            with contextlib.suppress(tomllib.TOMLDecodeError):  # a value of several lines
                assert tomllib.loads(start) == {key: value} or os.linesep in text
        elif value:
            assert 1 <= places[(key,)] <= len(lines)
            assert lines[places[(key,)] - 1].startswith("[")
