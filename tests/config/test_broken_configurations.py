"""Every kind of broken configuration: a clear message with file and key, exit code 6, no traceback."""

# ruff: noqa: E501  one case a line

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskserver.config import ConfigurationError, load
from taskserver.errors import EXIT_NOT_CONFIGURED

T = "[task_server]\n"
OCR = "[task_server]\n[tasks.ocr]\n"
INI_OCR = "[task_server]\n[tasks/ocr]\n"
PLAIN = 'command = ["/bin/true"]\n'
INI_PLAIN = "command = /bin/true\n"

BROKEN = [
    # syntax
    ("syntax", "a.toml", T + "debug = \n", 2, "", "not valid TOML"),
    ("syntax", "a.toml", "[task_server\n", 1, "", "not valid TOML"),
    ("syntax", "a.toml", T + "debug = true\ndebug = false\n", 3, "", "not valid TOML"),
    ("syntax", "a.toml", T + "modules = [\n'a',\n", 3, "", "not valid TOML"),
    ("syntax", "a.toml", T + "run_as = Www\n", 2, "", "not valid TOML"),
    ("syntax", "a.toml", T + f"modules = {'[' * 5000}\n", None, "", "nested too deeply"),
    ("syntax", "a.ini", T + "debug\n", 2, "", "no KEY = VALUE"),
    ("syntax", "a.ini", T + "= 5\n", 2, "", "no KEY = VALUE"),
    ("syntax", "a.ini", T + "[tasks/ocr\ncommand = /bin/true\n", 2, "", "no section"),
    ("syntax", "a.conf", "[x]\n" + T + "debug = 1\ndebug = 0\n", 3, "task_server.debug", "in line 3 and in line 4"),
    ("syntax", "a.conf", T + "debug = 1\n[x]\n" + T, 1, "task_server", "in line 1 and in line 4"),
    ("syntax", "a.ini", INI_OCR + "command = /bin/echo 'x\n", 3, "tasks.ocr.command", "quotation mark"),
    ("syntax", "a.ini", INI_OCR + INI_PLAIN + "[tasks/ocr/env]\nA=1\nA=2\n", 5, "tasks.ocr.env.A", "twice"),
    # encoding
    ("encoding", "a.toml", b'[task_server]\n# f\xfcr\nrun_as = "x"\n', 2, "", "not UTF-8: byte 0xFC"),
    ("encoding", "a.toml", b'[task_server]\nnode_id = "m\xff"\n', 2, "", "not UTF-8"),
    ("encoding", "a.toml", "[task_server]\n".encode("utf-16"), None, "", "UTF-16"),
    ("encoding", "a.toml", b"[task_server]\nnode_id = \"a\x00\"\n", 2, "", "not valid TOML"),
    ("encoding", "a.ini", b"[task_server]\nnode_id = m\xfcller\n", 2, "task_server.node_id", "not UTF-8"),
    ("encoding", "a.ini", "[task_server]\n".encode("utf-16"), None, "", "UTF-16"),
    ("encoding", "a.ini", b"[task_server]\nnode_id = a\x00b\n", 2, "task_server.node_id", "control characters"),
    ("encoding", "a.ini", b"[task_server]\nusers_dir = a\x07b\n", 2, "task_server.users_dir", "control characters"),
    # type
    ("type", "a.toml", T + 'max_parallel = "viele"\n', 2, "task_server.max_parallel", 'from 1 to 1024, not "viele"'),
    ("type", "a.toml", T + "max_parallel = true\n", 2, "task_server.max_parallel", "not true"),
    ("type", "a.toml", T + "debug = 1\n", 2, "task_server.debug", "true or false, not 1"),
    ("type", "a.toml", T + "modules = 'myapp'\n", 2, "task_server.modules", "must be a list"),
    ("type", "a.toml", T + "run_as = 33\n", 2, "task_server.run_as", "must be a text, not 33"),
    ("type", "a.toml", T + "lease = 'long'\n", 2, "task_server.lease", "must be seconds"),
    ("type", "a.toml", T + "node_id.a.b = 1\n", 2, "task_server.node_id", "must be a text"),
    ("type", "a.toml", T + "node_id = 'erp@home'\n", 2, "task_server.node_id", 'must not hold an @: "erp@home"'),
    ("type", "a.ini", T + "node_id = erp@home\n", 2, "task_server.node_id", 'must not hold an @: "erp@home"'),
    ("type", "a.toml", T + "python_path = [1]\n", 2, "task_server.python_path", "item 1"),
    ("type", "a.toml", "task_server = 5\n", 1, "task_server", "must be a section"),
    ("type", "a.toml", "[[task_server]]\n", 1, "task_server", "must be a section"),
    ("type", "a.toml", OCR + "command = '/bin/true'\n", 3, "tasks.ocr.command", "must be a list"),
    ("type", "a.toml", OCR + PLAIN + "env = {A = 1}\n", 4, "tasks.ocr.env.A", "must be a text"),
    ("type", "a.ini", T + "max_parallel = viele\n", 2, "task_server.max_parallel", 'from 1 to 1024, not "viele"'),
    ("type", "a.ini", T + "debug = maybe\n", 2, "task_server.debug", 'not "maybe"'),
    ("type", "a.ini", T + "debug = 0 # off\n", 2, "task_server.debug", "true or false"),
    ("type", "a.ini", T + "modules = a-b\n", 2, "task_server.modules", "module's name"),
    ("type", "a.conf", T + "[system]\nmemory_limit_rss = much\n", 3, "system.memory_limit_rss", "512 MB"),
    ("type", "a.ini", INI_OCR + INI_PLAIN + "timeout = 5 parsecs\n", 4, "tasks.ocr.timeout", "must be seconds"),
    # range
    ("range", "a.toml", T + "max_parallel = 0\n", 2, "task_server.max_parallel", "not 0"),
    ("range", "a.toml", T + f"max_parallel = 0x{'f' * 9999}\n", 2, "task_server.max_parallel", "from 1 to 1024"),
    ("range", "a.toml", T + "poll_interval = nan\n", 2, "task_server.poll_interval", "must be seconds"),
    ("range", "a.toml", T + "database_wait = inf\n", 2, "task_server.database_wait", "must be seconds"),
    ("range", "a.toml", T + "drain_timeout = -1\n", 2, "task_server.drain_timeout", "must be seconds from 0"),
    ("range", "a.toml", T + "keep_failed_count = -1\n", 2, "task_server.keep_failed_count", "from 0"),
    ("range", "a.toml", T + "time_zone = 'Europe/Berlyn'\n", 2, "task_server.time_zone", "'Europe/Berlin'"),
    ("range", "a.toml", T + "time_zone = '../etc/passwd'\n", 2, "task_server.time_zone", "IANA"),
    ("range", "a.toml", T + "log_format = 'xml'\n", 2, "task_server.log_format", "text, json, journal, syslog"),
    ("range", "a.toml", T + "database = 'oracle://h/d'\n", 2, "task_server.database", "sqlite, postgresql"),
    ("range", "a.toml", T + "database = 'postgresql://h:99999/d'\n", 2, "task_server.database", "port"),
    ("range", "a.toml", T + "database = 'tasks.sqlite'\n", 2, "task_server.database", "database URL"),
    ("range", "a.toml", OCR + PLAIN + "success_exit_codes = [0, 256]\n", 4, "tasks.ocr.success_exit_codes", "item 2"),
    ("range", "a.toml", OCR + "command = []\n", 3, "tasks.ocr.command", "empty list"),
    ("range", "a.toml", T + f"node_id = '{'x' * 256}'\n", 2, "task_server.node_id", "longer than 255"),
    ("range", "a.ini", T + "max_parallel = 4096\n", 2, "task_server.max_parallel", "not 4096"),
    ("range", "a.ini", T + "poll_interval = 0\n", 2, "task_server.poll_interval", "from 0.1"),
    ("range", "a.ini", T + "time_zone = Mars\n", 2, "task_server.time_zone", "IANA"),
    ("range", "a.ini", T + "database = sqlite://x\n", 2, "task_server.database", "three slashes"),
    ("range", "a.ini", T + "database = postgresql://h\n", 2, "task_server.database", "name the database"),
    ("range", "a.ini", INI_OCR + INI_PLAIN + "on_crash = explode\n", 4, "tasks.ocr.on_crash", "requeue, fail"),
    # unknown key
    ("unknown key", "a.toml", T + "max_paralel = 4\n", 2, "task_server.max_paralel", "'max_parallel'"),
    ("unknown key", "a.toml", T + "colour = 'red'\n", 2, "task_server.colour", "no such key in [task_server]"),
    ("unknown key", "a.toml", T + "Debug = true\n", 2, "task_server.Debug", "'debug'"),
    ("unknown key", "a.toml", T + "login = 'demo'\n", 2, "task_server.login", "client set-login"),
    ("unknown key", "a.toml", T + "[system]\nmemory_limit = 1\n", 3, "system.memory_limit", "memory_limit_"),
    ("unknown key", "a.toml", OCR + PLAIN + "max-attempts = 2\n", 4, "tasks.ocr.max-attempts", "'max_attempts'"),
    ("unknown key", "a.toml", T + "[task_server.notify_on_failure]\nemail = 'x'\n", 3, "task_server.notify_on_failure.email", "key"),
    ("unknown key", "a.toml", T + "[task_server.console]\nhots = 'x'\n", 3, "task_server.console.hots", "'host'"),
    ("range", "a.toml", T + "[task_server.console]\nport = 0\n", 3, "task_server.console.port", "from 1 to 65535"),
    ("range", "a.toml", T + "[task_server.console]\nroot_path = 'tasks/'\n", 3, "task_server.console.root_path", "/tasks"),
    ("range", "a.toml", T + "[task_server.console]\npublic_url = 'erp'\n", 3, "task_server.console.public_url", "https"),
    ("range", "a.ini", T + "[task_server/console]\nallowed_hosts = a/b\n", 3, "task_server.console.allowed_hosts", "host name"),
    ("contradictory", "a.toml", T + "[task_server.console]\ntls_key = 'k.pem'\n", 3, "task_server.console.tls_key", "tls_certificate"),
    ("unknown section", "a.ini", T + "[task_server/consol]\n", 2, "", "[task_server/console]"),
    ("unknown key", "a.ini", T + "max_paralel = 4\n", 2, "task_server.max_paralel", "'max_parallel'"),
    ("unknown key", "a.ini", T + "userdir =\n", 2, "task_server.userdir", "'users_dir'"),
    ("unknown key", "a.conf", T + "client = 1\n", 2, "task_server.client", "client set-login"),
    ("unknown key", "a.conf", T + "login =\n", 2, "task_server.login", "client set-login"),
    ("unknown key", "a.ini", INI_OCR + INI_PLAIN + "shell = 1\n", 4, "tasks.ocr.shell", "no such key"),
    # unknown section
    ("unknown section", "a.toml", T + "[task]\n", 2, "task", "[tasks]"),
    ("unknown section", "a.toml", T + "[console]\n", 2, "console", "there are [task_server], [tasks], [system]"),
    ("unknown section", "a.toml", T + "[task_server.notify]\n", 2, "task_server.notify", "no such key"),
    ("unknown section", "a.toml", T + "[taskserver]\ndebug = true\n", 2, "taskserver", "[task_server]"),
    ("unknown section", "a.toml", T + '[tasks."a b"]\n' + PLAIN, 2, 'tasks."a b"', "no name for a task"),
    ("unknown section", "a.toml", T + "[tasks.invoices.create]\n" + PLAIN, 2, "tasks.invoices", '[tasks."invoices.create"]'),
    ("unknown section", "a.ini", T + "[task_server/notify_on_failures]\n", 2, "", "[task_server/notify_on_failure]"),
    ("unknown section", "a.ini", T + "[task_server.notify_on_failure]\n", 2, "", "[task_server/notify_on_failure]"),
    ("unknown section", "a.ini", T + "[taskserver]\nmax_parallel = 2\n", 2, "", "[task_server]"),
    ("unknown section", "a.ini", T + "[tasks.ocr]\n" + INI_PLAIN, 2, "", "[tasks/ocr]"),
    ("unknown section", "a.ini", T + "[task/ocr]\n" + INI_PLAIN, 2, "", "[tasks/ocr]"),
    # missing
    ("missing", "a.toml", "", None, "", "[task_server] is missing"),
    ("missing", "a.toml", "[taskserver]\n", 1, "", "did you mean it with [taskserver]?"),
    ("missing", "a.toml", "[task-server]\ndebug = true\n", 1, "", "did you mean it with [task-server]?"),
    ("missing", "a.toml", "debug = true\n", 1, "debug", "below [task_server]"),
    ("missing", "a.toml", OCR + "title = 'x'\n", 2, "tasks.ocr.command", "is missing"),
    ("missing", "a.toml", T + "database_password_file = 'none'\ndatabase = 'postgresql://u@h/d'\n", 2,
     "task_server.database_password_file", "No such file"),
    ("missing", "a.ini", "", None, "", "[task_server] is missing"),
    ("missing", "a.ini", "[Task_Server]\n", 1, "", "did you mean it with [Task_Server]?"),
    ("missing", "a.conf", "[x]\na=1\n[task server]\ndebug = 1\n", 3, "", "did you mean it with [task server]?"),
    ("missing", "a.ini", "[task_server/notify_on_failure]\n", None, "", "[task_server] is missing"),
    ("missing", "a.ini", INI_OCR + "command =\n", 3, "tasks.ocr.command", "is missing"),
    # contradictory
    ("contradictory", "a.toml", T + "log_format='syslog'\nlog_file='x'\n", 3, "task_server.log_file", "syslog"),
    ("contradictory", "a.toml", T + "database_password_file='x'\n", 2, "task_server.database_password_file", "SQLite"),
    ("contradictory", "a.toml", T + "database='postgresql://u:p@h/d'\ndatabase_password_file='x'\n", 3,
     "task_server.database_password_file", "holds a password itself"),
    ("contradictory", "a.toml", OCR + PLAIN + "retry_delay='2h'\n", 4, "tasks.ocr.retry_delay", "retry_max_delay"),
    ("contradictory", "a.toml", OCR + PLAIN + "defaults={pth='x'}\n", 4, "tasks.ocr.defaults.pth", "placeholder"),
    ("contradictory", "a.ini", INI_OCR + INI_PLAIN + "retry_delay = 2h\n", 4, "tasks.ocr.retry_delay", "retry_max_delay"),
    ("contradictory", "a.ini", T + "log_format = syslog\nlog_file = x\n", 3, "task_server.log_file", "syslog"),
    ("contradictory", "a.ini", T + "database = postgresql://h/d\ndatabase_password_file = x\n", 3,
     "task_server.database_password_file", "needs a user"),
    # dangerous
    ("dangerous", "a.toml", T + "run_as = 'root'\n", 2, "task_server.run_as", "allow_root"),
    ("dangerous", "a.toml", T + "users_dir = '/tmp'\n", 2, "task_server.users_dir", "belongs to the system"),
    ("dangerous", "a.toml", T + "users_dir = '/var/../'\n", 2, "task_server.users_dir", "belongs to the system"),
    ("dangerous", "a.toml", T + "python_path = ['/tmp']\n", 2, "task_server.python_path", "folder of its own"),
    ("dangerous", "a.toml", T + "database = 'sqlite:///:memory:'\n", 2, "task_server.database", "would be lost"),
    ("dangerous", "a.toml", OCR + "command=['sh']\n", 3, "tasks.ocr.command", "absolute path"),
    ("dangerous", "a.toml", OCR + "command=['./ocr', 'x']\n", 3, "tasks.ocr.command", "absolute path"),
    ("dangerous", "a.toml", OCR + "command=['{program}']\n", 3, "tasks.ocr.command", "choose the program"),
    ("dangerous", "a.toml", OCR + "command=['/bin/{p}']\n", 3, "tasks.ocr.command", "choose the program"),
    ("dangerous", "a.toml", OCR + "command=['/bin/sh', '-c', 'ocr {p}']\n", 3, "tasks.ocr.command", "as code"),
    ("dangerous", "a.toml", OCR + "command=['/usr/bin/env', 'bash', '-ec', '{p}']\n", 3, "tasks.ocr.command", "as code"),
    ("dangerous", "a.toml", OCR + "command=['/usr/bin/python3.11', '-c', 'f({p})']\n", 3, "tasks.ocr.command", "as code"),
    ("dangerous", "a.toml", OCR + "command=['/bin/x', '{a.b}']\n", 3, "tasks.ocr.command", "no placeholder"),
    ("dangerous", "a.toml", OCR + "command=['/bin/x', 'a', '{a!r}']\n", 3, "tasks.ocr.command (item 3)", "no placeholder"),
    ("dangerous", "a.ini", T + "run_as = root\n", 2, "task_server.run_as", "allow_root"),
    ("dangerous", "a.ini", T + "users_dir = /\n", 2, "task_server.users_dir", "belongs to the system"),
    ("dangerous", "a.ini", INI_OCR + "command = ocr {path}\n", 3, "tasks.ocr.command", "absolute path"),
    ("dangerous", "a.ini", INI_OCR + "command = /bin/sh -c 'ocr {path}'\n", 3, "tasks.ocr.command", "as code"),
    ("dangerous", "a.ini", INI_OCR + "command = /bin/ocr {\n", 3, "tasks.ocr.command", "no placeholder"),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=[f"{case[0]}-{case[1]}-{case[-1]}" for case in BROKEN])
def test_a_broken_configuration_is_named_with_its_place(
    write: Callable[..., Path], case: tuple[str, str, str | bytes, int | None, str, str]
) -> None:
    _, name, content, line, key, text = case
    path = write(name, content)

    with pytest.raises(ConfigurationError) as caught:
        load(path)

    place = f"{path}:{line}: " if line else f"{path}: "
    assert caught.value.exit_code == EXIT_NOT_CONFIGURED
    assert any(found.startswith(place + key) and text in found for found in caught.value.message().splitlines()), (
        caught.value.message()
    )


def test_ten_kinds_are_tried_in_both_formats() -> None:
    kinds = {(kind, name.endswith(".toml")) for kind, name, *_ in BROKEN}

    assert len(kinds) == 2 * len({kind for kind, _ in kinds})
    assert {kind for kind, _ in kinds} | {"unreadable"} == {
        "syntax", "encoding", "type", "range", "unknown key", "unknown section", "missing", "contradictory",
        "dangerous", "unreadable",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: there is no such file"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_a_directory_is_no_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(ConfigurationError, match=f"{name}: is a directory"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_a_fifo_is_refused_without_waiting_for_its_writer(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)

    with pytest.raises(ConfigurationError, match="not a regular file"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_a_file_without_the_right_to_read_it_is_named(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(name, T, 0o000)
    if os.geteuid() == 0:  # root may read everything
        monkeypatch.setattr(os, "open", _no_permission)

    with pytest.raises(ConfigurationError, match=f"{name}: may not be read by user id"):
        load(path)


def _no_permission(*_: object, **__: object) -> int:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_an_endless_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"#" * (2 << 20))

    with pytest.raises(ConfigurationError, match="is larger than"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.yaml", "toml", "a"])
def test_an_unknown_ending_is_refused(write: Callable[..., Path], name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"must end in \.toml, \.ini or \.conf"):
        load(write(name, T))


@pytest.mark.parametrize(
    ("name", "value"), [("a.toml", '"postgresql://u:geheim@h/d"'), ("a.ini", "postgresql://u:geheim@h/d")]
)
def test_a_password_that_everybody_may_read_is_dangerous(
    faults_of: Callable[..., list[str]], write: Callable[..., Path], name: str, value: str
) -> None:
    (fault,) = faults_of(name, f"{T}database = {value}\n", 0o644)

    assert "task_server.database: " in fault
    assert "chmod 640" in fault
    assert "geheim" not in fault
    assert load(write(name, f"{T}database = {value}\n", 0o640)).database == "postgresql+psycopg://u:geheim@h/d"


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_a_file_that_everybody_may_change_is_dangerous(faults_of: Callable[..., list[str]], name: str) -> None:
    (fault,) = faults_of(name, T, 0o666)

    assert "chmod o-w" in fault


def test_a_python_path_that_everybody_may_change_is_closed_for_others(
    faults_of: Callable[..., list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "my modules"
    folder.mkdir()
    folder.chmod(0o777)

    (fault,) = faults_of("a.toml", f"{T}python_path = ['{folder}']\n")

    assert f"chmod o-w '{folder}'" in fault


@pytest.mark.parametrize(
    "url",
    ["oracle://u:geheim@h/d", "postgresql://u:ge@heim@h/d", "postgresql:u:geheim", "postgresql://u:geheim@h:x/d"],
)
def test_a_wrong_database_url_is_told_without_its_password(faults_of: Callable[..., list[str]], url: str) -> None:
    faults = faults_of("a.toml", f"{T}database = '{url}'\n")

    assert len(faults) == 1
    assert "heim" not in faults[0]


def test_all_faults_come_at_once_in_the_order_of_their_lines(faults_of: Callable[..., list[str]]) -> None:
    faults = faults_of(
        "a.toml",
        """\
[task_server]
max_parallel = "viele"
debugg = true
run_as = "root"
log_format = "syslog"
log_file = "x"
[sytem]
[tasks.ocr]
timeout = "soon"
command = ["ocr"]
""",
    )

    assert [fault.split(": ")[1] for fault in faults] == [
        "task_server.max_parallel",
        "task_server.debugg",
        "task_server.run_as",
        "task_server.log_file",
        "sytem",
        "tasks.ocr.timeout",
        "tasks.ocr.command",
    ]


def test_a_fault_keeps_its_parts(write: Callable[..., Path]) -> None:
    path = write("a.toml", T + "lease = 0\n")

    with pytest.raises(ConfigurationError) as caught:
        load(path)

    (fault,) = caught.value.faults
    assert (fault.file, fault.key, fault.line) == (path, "task_server.lease", 2)
    assert fault.text.startswith("must be seconds from 1 to 86400")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "a.toml",
            "[task-server]\nmax_parallel = 'x'\ndebugg = true\n",
            ["[task-server]?", "max_parallel: ", "'debug'?"],
        ),
        (
            "a.ini",
            "[task-server]\nmax_parallel = x\ndebugg = 1\n",
            ["[task-server]?", "max_parallel: ", "'debug'?"],
        ),
        ("a.toml", "[Task_Server]\n[taskserver]\n", ["[Task_Server]?", "did you mean [task_server]?"]),
        ("a.toml", "[task-server]\nmax_parallel =\n", ["[task-server]?", "not valid TOML"]),
        ("a.ini", "[task_server]\n[task-server]\nmax_paralel = 3\n", ["did you mean [task_server]?"]),
        ("a.ini", "[task-server]\n[task_server/console]\nport = x\n", ["[task-server]?", "console.port: "]),
    ],
)
def test_a_section_of_a_near_name_is_told_with_all_that_is_wrong_in_it(
    faults_of: Callable[..., list[str]], name: str, text: str, wanted: list[str]
) -> None:
    faults = faults_of(name, text)

    assert len(faults) == len(wanted)
    assert all(part in fault for part, fault in zip(wanted, faults, strict=True))
