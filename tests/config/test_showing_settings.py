"""What is shown of a configuration, and where each setting comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from taskserver.config import ConfigurationError, convert, effective, load, show

Write = Callable[..., Path]


@pytest.mark.parametrize("url", ["postgresql://u:geheim@h/d", "postgresql://h/d?user=u&password=geheim"])
def test_the_password_is_never_shown(write: Write, url: str) -> None:
    settings = load(write("a.toml", f"[task_server]\ndatabase = '{url}'\n"))

    assert "geheim" in settings.database
    assert "geheim" not in show(settings, origin=True)
    assert "geheim" not in str(effective(settings))
    assert "***" in effective(settings)["task_server"]["database"]


def test_effective_settings_have_every_default(write: Write, tmp_path: Path) -> None:
    values = effective(load(write("a.ini", "[task_server]\ndatabase_wait = 2m\n[tasks/x]\ncommand = /bin/true\n")))

    assert values["task_server"]["database_wait"] == 120
    assert values["task_server"]["run_as"] is None
    assert values["task_server"]["users_dir"] == str(tmp_path / "users")
    assert values["system"] == {"memory_limit_rss": 0, "memory_limit_vsz": 0}
    assert values["tasks"]["x"]["command"] == ["/bin/true"]


def test_the_origin_of_each_key_stands_beside_it(write: Write) -> None:
    path = write(
        "a.toml",
        """\
[task_server]
modules = [
    "a",
]
lease = 90

[tasks.x]
command = ["/bin/true"]
env = {A = "1"}
""",
    )

    shown = show(load(path), origin=True).splitlines()

    assert f"modules = [  # {path}:2" in shown
    assert f"lease = 90  # {path}:5" in shown
    assert "debug = false  # default" in shown
    assert f"[tasks.x.env]  # {path}:9" in shown
    assert tomllib.loads("\n".join(shown))["tasks"]["x"]["env"] == {"A": "1"}


def test_an_ini_file_is_converted_without_foreign_sections(write: Write, kivitendo_conf: bytes) -> None:
    converted = tomllib.loads(convert(write("kivitendo.conf", kivitendo_conf)))

    assert converted == {
        "system": {},
        "task_server": {
            "debug": True,
            "node_id": "erp1",
            "only_run_tasks_for_this_node": False,
            "notify_on_failure": {
                "email_from": "kivitendo Daemon <root@localhost>",
                "email_subject": "Aufträge: fehlgeschlagen",
                "email_template": "templates/webpages/task_server/failure_notification_email.txt",
            },
        },
    }


def test_a_converted_file_keeps_its_password(write: Write) -> None:
    converted = convert(write("a.conf", "[task_server]\ndatabase = postgresql://u:geheim@h/d\n"))

    assert tomllib.loads(converted) == {"task_server": {"database": "postgresql://u:geheim@h/d"}}


def test_a_broken_file_is_not_converted(write: Write) -> None:
    with pytest.raises(ConfigurationError, match="max_parallel"):
        convert(write("a.ini", "[task_server]\nmax_parallel = viele\n"))
