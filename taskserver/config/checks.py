"""What single values can't show: settings that contradict each other or are dangerous.

Every check yields findings for keys; `loading` drops those whose key is at fault already. Nothing here changes
anything, and nothing but permissions of files is looked up.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskserver.config import database_url, secrecy
from taskserver.config.console import ConsoleSettings
from taskserver.config.credentials import DATABASE_PASSWORD, credential
from taskserver.config.faults import Key
from taskserver.config.models import WITHOUT_LOG_FILE, CommandSettings, Settings
from taskserver.config.source import Source
from taskserver.config.structure import CONSOLE, SERVER, TASKS
from taskserver.templates import Template
from taskserver.texts import mark, translate

_SYSTEM_FOLDERS = frozenset(
    "/" + name
    for name in (
        "", "bin", "boot", "dev", "dev/shm", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
        "run", "sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/local", "usr/local/bin", "usr/sbin",
        "usr/share", "var", "var/lib", "var/log", "var/run", "var/spool", "var/tmp",
    )
)  # fmt: skip
_SHELLS = frozenset(["sh", "ash", "bash", "dash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox"])
_CODE_OPTION = {
    **dict.fromkeys(_SHELLS, "c"),
    "python": "c",
    "pypy": "c",
    "perl": "eE",
    "ruby": "e",
    "node": "ep",
    "php": "r",
    "lua": "e",
}
"""Programs that run a text as code, and the option behind which it stands."""

_WITH_VALUE = ("-o", "+o", "-O", "-W", "-X", "-I")
"""Options of these programs that take the next argument as their value."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with the settings together, told at `key`."""

    key: Key
    template: str
    fields: dict[str, Any] = field(default_factory=dict)


def findings(settings: Settings, source: Source) -> Iterator[Finding]:
    """Every contradiction and danger. A short lease is none: heartbeats follow the lease, not polling."""
    yield from _file_findings(settings, source)
    yield from _server_findings(settings)
    yield from _folder_findings(settings)
    for name, task in settings.tasks.items():
        yield from _command_findings((TASKS, name), task)
        yield from _default_findings((TASKS, name), task)


def warnings(settings: Settings) -> Iterator[str]:
    """What is no fault and yet should be told, in the language in use."""
    if settings.notify_on_failure.send_email_to:
        yield translate("task_server.notify_on_failure: mails about failed jobs are not sent yet")
    on_server = not database_url.is_file(settings.database)
    if on_server and not database_url.lacks_password(settings.database) and credential(DATABASE_PASSWORD):
        yield translate(
            "the credential database_password is not used: task_server.database names no user, or holds a "
            "password itself"
        )
    for name, task in settings.tasks.items():
        # not Path.exists(), which fails where the user may not look
        if not os.path.exists(task.command[0]):  # noqa: PTH110
            yield translate("tasks.{name}: there is no program {program} here", name=name, program=task.command[0])


def _file_findings(settings: Settings, source: Source) -> Iterator[Finding]:
    if source.mode & stat.S_IWOTH:
        yield Finding(
            (),
            mark("everybody may change it, and so what the daemon runs; chmod o-w {quoted}"),
            {"quoted": shlex.quote(str(source.file))},
        )
    if not database_url.password_of(settings.database):
        return
    reader = secrecy.readers(source.mode, source.gid, settings.run_as)
    if reader == "":
        yield Finding(
            (SERVER, "database"),
            mark(
                "holds a password, and everybody may read the file; chmod 640 {file} and give it the daemon's "
                "group, or use database_password_file"
            ),
            {"file": source.file},
        )
    elif reader is not None:
        yield Finding(
            (SERVER, "database"),
            mark(
                "holds a password, and the group {group}, to which the daemon does not belong, may read the file; "
                "chmod g-rw {file}"
            ),
            {"file": source.file, "group": reader},
        )


def _server_findings(settings: Settings) -> Iterator[Finding]:
    if settings.run_as == "root" and not settings.allow_root:
        yield Finding(
            (SERVER, "run_as"),
            mark("tasks would run as root; name another user, or set allow_root = true as well"),
        )
    if settings.log_format in WITHOUT_LOG_FILE and settings.log_file:
        yield Finding(
            (SERVER, "log_file"),
            mark('contradicts log_format = "{log_format}", which writes no file; remove one'),
            {"log_format": settings.log_format},
        )
    if settings.database_password_file:
        yield from _password_findings(settings)
    yield from _console_findings(settings.console)


def _console_findings(console: ConsoleSettings) -> Iterator[Finding]:
    for given, missing in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if getattr(console, given) and not getattr(console, missing):
            key = (SERVER, CONSOLE, given)
            yield Finding(key, mark("needs {missing} beside it; give both, or neither"), {"missing": missing})


def _password_findings(settings: Settings) -> Iterator[Finding]:
    key = (SERVER, "database_password_file")
    if database_url.is_file(settings.database):
        yield Finding(key, mark("contradicts database: an SQLite file has no password; remove one"))
    elif database_url.password_of(settings.database):
        yield Finding(key, mark("contradicts database, which holds a password itself; remove one"))
    elif not database_url.has_user(settings.database):
        yield Finding(key, mark("needs a user in database, as postgresql://USER@HOST/NAME"))


def _folder_findings(settings: Settings) -> Iterator[Finding]:
    folder = Path(os.path.realpath(settings.users_dir))  # Path.resolve() fails on a loop of links
    if str(folder) in _SYSTEM_FOLDERS or folder.is_relative_to("/proc") or folder.is_relative_to("/sys"):
        yield Finding(
            (SERVER, "users_dir"),
            mark(
                "{folder} belongs to the system and not to one daemon; name a folder of "
                "its own, as /var/lib/taskserver"
            ),
            {"folder": folder},
        )
    for folder in settings.python_path:
        yield from _python_path_findings(folder)


def _python_path_findings(folder: Path) -> Iterator[Finding]:
    try:
        mode = folder.stat().st_mode
    except OSError:
        return
    if not mode & stat.S_IWOTH:
        return
    if mode & stat.S_ISVTX:  # open to everybody on purpose, as /tmp is
        text = mark(
            "everybody may put modules into {folder}, and the daemon would run them; name a folder of its own"
        )
    else:
        text = mark("everybody may put modules into {folder}, and the daemon would run them; chmod o-w {quoted}")
    yield Finding((SERVER, "python_path"), text, {"folder": folder, "quoted": shlex.quote(str(folder))})


def _command_findings(task: Key, settings: CommandSettings) -> Iterator[Finding]:
    key, program = (*task, "command"), settings.command[0]
    if Template.parse(program).names:
        yield Finding(key, mark("a placeholder can't choose the program: whoever queues a job would choose it"))
    elif not program.startswith("/"):
        yield Finding(
            key, mark("the program {program!r} needs its absolute path, as /usr/bin/NAME"), {"program": program}
        )
    if code := _code_with_placeholder(settings.command):
        yield Finding(
            key,
            mark(
                "{program} would run what a job's argument says as code; give the value as an argument of its own "
                "behind the code, or write a script"
            ),
            {"program": code},
        )


def _code_with_placeholder(command: tuple[str, ...]) -> str | None:
    """The interpreter in `command` whose code holds a placeholder; None if there is none."""
    for place, argument in enumerate(command):
        letters = _CODE_OPTION.get(re.sub(r"[\d.]+$", "", Path(argument).name))
        if letters and any(Template.parse(part).names for part in _code(command[place + 1 :], letters)):
            return argument
    return None


def _code(arguments: tuple[str, ...], letters: str) -> tuple[str, ...]:
    """What of an interpreter's arguments it runs as code: the option and the first argument that is none."""
    start = None
    for place, argument in enumerate(arguments):
        if re.fullmatch(rf"-[A-Za-z]*[{letters}].*|--(eval|print|command|run)(=.*)?", argument, re.DOTALL):
            start = place if start is None else start
        elif not argument.startswith(("-", "+")) and (place == 0 or arguments[place - 1] not in _WITH_VALUE):
            return () if start is None else arguments[start : place + 1]
    return () if start is None else arguments[start:]


def _default_findings(task: Key, settings: CommandSettings) -> Iterator[Finding]:
    used = {name for text in (*settings.command, *settings.env.values()) for name in Template.parse(text).names}
    for name in settings.defaults:
        if name not in used:
            yield Finding(
                (*task, "defaults", name), mark("neither command nor env has a placeholder of this name")
            )
    if settings.retry_max_delay < settings.retry_delay:
        yield Finding((*task, "retry_delay"), mark("must not be longer than retry_max_delay"))
