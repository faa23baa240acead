"""What a good configuration becomes, in both formats."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from taskserver.config import ConfigurationError, Settings, load
from taskserver.config.machine import time_zone

Write = Callable[..., Path]


@pytest.mark.parametrize("name", ["a.toml", "a.ini", "a.conf", "a.TOML", "kivitendo.conf.default"])
def test_an_empty_section_runs_with_defaults(write: Write, tmp_path: Path, name: str) -> None:
    settings = load(write(name, "\ufeff[task_server]\r\n"), installation=tmp_path / "there")

    assert settings.users_dir == tmp_path / "there/users"
    assert settings.database == f"sqlite:///{tmp_path}/there/users/taskserver.sqlite"
    assert settings.log_file == tmp_path / "there/users/taskserver.log"
    assert settings.node_id == socket.gethostname()
    assert settings.lease == timedelta(seconds=60)
    assert settings.run_as is None
    assert settings.tasks == {}
    assert settings.warnings == ()
    assert set(settings.origins.values()) == {"default"}


def test_relative_paths_begin_at_the_folder_of_the_file_without_an_installation(
    write: Write, tmp_path: Path
) -> None:
    settings = load(
        write("a.toml", "[task_server]\nusers_dir = 'run'\npython_path = ['lib', '/opt/x']\nlog_file = 'log'\n")
    )

    assert settings.users_dir == tmp_path / "run"
    assert settings.database == f"sqlite:///{tmp_path}/run/taskserver.sqlite"
    assert settings.python_path == (tmp_path / "lib", Path("/opt/x"))
    assert settings.log_file == tmp_path / "log"


@pytest.mark.parametrize(
    ("name", "section"), [("a.toml", "[task_server.console]"), ("a.ini", "[task_server/console]")]
)
def test_the_console_has_a_table_of_its_own(write: Write, tmp_path: Path, name: str, section: str) -> None:
    quote = '"' if name.endswith(".toml") else ""
    keys = f"enabled = true\ntls_certificate = {quote}tls/c.pem{quote}\ntls_key = {quote}/k.pem{quote}\n"

    console = load(write(name, f"[task_server]\n{section}\n{keys}")).console

    assert (console.enabled, console.host, console.port) == (True, "127.0.0.1", 8742)
    assert console.tls_certificate == tmp_path / "tls/c.pem"
    assert console.tls_key == Path("/k.pem")
    assert console.session_lifetime == timedelta(hours=12)


def test_a_kivitendo_conf_works_unchanged(write: Write, kivitendo_conf: bytes) -> None:
    settings = load(write("kivitendo.conf", kivitendo_conf, 0o644))

    assert settings.debug
    assert settings.node_id == "erp1"
    assert settings.run_as is None
    assert settings.memory_limit_rss is None
    assert settings.notify_on_failure.email_subject == "Aufträge: fehlgeschlagen"
    assert settings.warnings == ()
    assert settings.origins["task_server.debug"].endswith("kivitendo.conf:27")


def test_what_is_not_acted_on_is_warned_about(write: Write, kivitendo_conf: bytes) -> None:
    changed = kivitendo_conf.replace(b"memory_limit_rss =", b"memory_limit_rss = 1 GB").replace(
        b"send_email_to  =", b"send_email_to = demo"
    )

    settings = load(write("kivitendo.conf", changed))

    assert settings.memory_limit_rss == 1 << 30
    assert [warning.split(":")[0] for warning in settings.warnings] == ["task_server.notify_on_failure"]


@pytest.mark.parametrize(
    ("text", "value"),
    [(word, True) for word in ("1", "yes", "true", "on", "Yes", "TRUE")]
    + [(word, False) for word in ("0", "no", "false", "off", "")],
)
def test_ini_knows_many_words_for_true_and_false(write: Write, text: str, value: bool) -> None:
    assert load(write("a.ini", f"[task_server]\ndebug = {text}\n")).debug is value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("1.5", 1.5), ('"90s"', 90), ('"10m"', 600), ('"2 h"', 7200), ('"1d"', 86400)],
)
def test_durations_are_seconds_or_have_a_unit(write: Write, text: str, seconds: float) -> None:
    ini = text.strip('"')

    assert (
        load(write("a.toml", f"[task_server]\ndatabase_wait = {text}\n")).database_wait.total_seconds() == seconds
    )
    assert load(write("a.ini", f"[task_server]\ndatabase_wait = {ini}\n")).database_wait.total_seconds() == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", None), ("100", 100), ("2KB", 2048), ("512 MB", 512 << 20), ("1gb", 1 << 30), ("", None)],
)
def test_memory_limits_have_units(write: Write, text: str, size: int | None) -> None:
    assert load(write("a.ini", f"[task_server]\n[system]\nmemory_limit_vsz = {text}\n")).memory_limit_vsz == size
    assert (
        load(write("a.toml", f'[task_server]\n[system]\nmemory_limit_vsz = "{text}"\n')).memory_limit_vsz == size
    )


@pytest.mark.parametrize(("name", "text"), [("a.toml", '"none"'), ("a.toml", '""'), ("a.ini", "none")])
def test_retention_may_have_no_limit(write: Write, name: str, text: str) -> None:
    assert load(write(name, f"[task_server]\nkeep_failed_minutes = {text}\n")).keep_failed_minutes is None


def test_an_empty_ini_value_means_the_default(write: Write) -> None:
    settings = load(write("a.ini", "[task_server]\nkeep_failed_count =\nmax_parallel =\nlease =\n"))

    assert settings.keep_failed_count == 1000
    assert settings.max_parallel >= 1
    assert settings.origins["task_server.lease"] == "default"


def test_ini_lists_are_separated_by_commas_and_white_space(write: Write) -> None:
    settings = load(
        write("a.ini", "[task_server]\nmodules = myapp.tasks, other.tasks\n        = more\npython_path = a b\n")
    )

    assert settings.modules == ("myapp.tasks", "other.tasks", "more")
    assert [path.name for path in settings.python_path] == ["a", "b"]


def test_the_same_command_task_in_both_formats(write: Write) -> None:
    toml = load(
        write(
            "a.toml",
            """\
[task_server]
[tasks."scan.ocr"]
title = "OCR {path}"
command = ["/bin/true", "--", "{path}", "two words", "{{x}}"]
timeout = 3600
success_exit_codes = [0, 3]
env = {LANG = "C", PAGE = "{page}"}
defaults = {page = "1"}
""",
        )
    )
    ini = load(
        write(
            "a.ini",
            """\
[task_server]
[tasks/scan.ocr]
title = OCR {path}
command = /bin/true -- {path} "two words"
        = {{x}}
timeout = 1h
success_exit_codes = 0, 3
[tasks/scan.ocr/env]
LANG = C
PAGE = {page}
[tasks/scan.ocr/defaults]
page = 1
""",
        )
    )

    assert toml.tasks == ini.tasks
    assert toml.tasks["scan.ocr"].command == ("/bin/true", "--", "{path}", "two words", "{{x}}")
    assert toml.warnings == ()


def test_a_program_that_is_not_here_is_warned_about(write: Write) -> None:
    settings = load(write("a.toml", "[task_server]\n[tasks.x]\ncommand = ['/nowhere/ocr']\n"))

    assert settings.warnings == ("tasks.x: there is no program /nowhere/ocr here",)


@pytest.mark.parametrize(
    "command",
    [
        """["/bin/sh", "-c", 'ocr "$1"', "ocr", "{path}"]""",
        """["/usr/bin/python3", "/opt/job.py", "-c", "{path}"]""",
        """["/bin/sh", "-c", "echo {{x}}"]""",
        """["/bin/tar", "-c", "{path}"]""",
    ],
)
def test_a_placeholder_beside_the_code_is_no_danger(write: Write, command: str) -> None:
    assert load(write("a.toml", f"[task_server]\n[tasks.x]\ncommand = {command}\n")).tasks["x"].command


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_root_is_allowed_by_the_key(write: Write, name: str) -> None:
    root = '"root"' if name == "a.toml" else "root"

    assert load(write(name, f"[task_server]\nrun_as = {root}\nallow_root = true\n")).run_as == "root"


def test_a_long_poll_interval_is_fine_beside_a_short_lease(write: Write) -> None:
    assert load(write("a.toml", "[task_server]\npoll_interval = 60\nlease = 5\n")).lease == timedelta(seconds=5)


def test_syslog_needs_no_file(write: Write) -> None:
    assert load(write("a.toml", "[task_server]\nlog_format = 'syslog'\n")).log_file is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgresql://u@h:5432/d", "postgresql+psycopg://u@h:5432/d"),
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql://postgres:@/postgres?host=/tmp/x", "postgresql+psycopg://postgres:@/postgres?host=/tmp/x"),
        ("postgresql://u@[::1]:5432/d", "postgresql+psycopg://u@[::1]:5432/d"),
        ("sqlite:////var/x.sqlite", "sqlite:////var/x.sqlite"),
    ],
)
def test_the_database_gets_its_driver(write: Write, given: str, wanted: str) -> None:
    assert load(write("a.toml", f"[task_server]\ndatabase = '{given}'\n", 0o644)).database == wanted


def test_the_password_comes_from_its_own_file(write: Write) -> None:
    write("password", "p@ss/w:rd %\n", 0o600)
    path = write(
        "a.toml", "[task_server]\ndatabase = 'postgresql://u@h/d'\ndatabase_password_file = 'password'\n", 0o644
    )

    assert load(path).database == "postgresql+psycopg://u:p%40ss%2Fw%3Ard%20%25@h/d"


def test_the_managers_credential_comes_before_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("database_password", "from systemd\n", 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    out_of_reach = "[task_server]\ndatabase = 'postgresql://u@h/d'\ndatabase_password_file = '/nowhere'\n"
    without_file = "[task_server]\ndatabase = 'postgresql://u@h/d'\n"

    databases = [load(write("a.toml", text, 0o644)).database for text in (out_of_reach, without_file)]

    assert databases == ["postgresql+psycopg://u:from%20systemd@h/d"] * 2


@pytest.mark.parametrize("database", ["postgresql://u:own@h/d", "postgresql://h/d"])
def test_a_credential_that_is_not_used_is_told(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    write("database_password", "from systemd\n", 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    settings = load(write("a.toml", f"[task_server]\ndatabase = '{database}'\n", 0o640))

    assert "systemd" not in settings.database
    assert "the credential database_password is not used" in "".join(settings.warnings)


def test_without_its_credential_the_managers_folder_changes_nothing(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    settings = load(write("a.toml", "[task_server]\ndatabase = 'postgresql://u@h/d'\n", 0o644))

    assert (settings.database, settings.warnings) == ("postgresql+psycopg://u@h/d", ())


def test_an_empty_credential_is_refused(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("database_password", "", 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    with pytest.raises(ConfigurationError, match="database_password must hold the password in one line"):
        load(write("a.toml", "[task_server]\ndatabase = 'postgresql://u@h/d'\n", 0o644))


def test_the_mail_servers_password_file_begins_at_the_installation(write: Write, tmp_path: Path) -> None:
    text = "[task_server]\n[task_server.notify_on_failure]\nsmtp_password_file = 'smtp'\n"

    settings = load(write("a.toml", text, 0o644))

    assert settings.notify_on_failure.smtp_password_file == tmp_path / "smtp"


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        ("x", 0o644, "chmod 640"),
        ("", 0o600, "and nothing else"),
        ("a\nb", 0o600, "nothing else"),
        (b"\xff", 0o600, "UTF-8"),
    ],
)
def test_a_bad_password_file_is_refused(write: Write, content: str | bytes, mode: int, text: str) -> None:
    write("password", content, mode)

    with pytest.raises(ConfigurationError, match=text):
        load(write("a.ini", "[task_server]\ndatabase = postgresql://u@h/d\ndatabase_password_file = password\n"))


def test_settings_can_be_made_without_a_file(tmp_path: Path) -> None:
    settings = Settings(users_dir=tmp_path, max_parallel=2)

    assert settings.database == f"sqlite:///{tmp_path}/taskserver.sqlite"
    assert settings.log_file == tmp_path / "taskserver.log"


def test_settings_do_not_print_the_database(write: Write) -> None:
    settings = load(write("a.ini", "[task_server]\ndatabase = postgresql://u:geheim@h/d\n"))

    assert "geheim" not in f"{settings!r} {settings}"


def test_the_time_zone_is_the_machines(tmp_path: Path) -> None:
    named, nonsense, link = tmp_path / "timezone", tmp_path / "nonsense", tmp_path / "localtime"
    named.write_text("Europe/Berlin\n")
    nonsense.write_text("Nowhere/There\n")
    link.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")

    assert time_zone(named, link) == "Europe/Berlin"
    assert time_zone(nonsense, link) == "Asia/Tokyo"
    assert time_zone(nonsense, tmp_path / "none") == "UTC"
