"""Puts settings into their place: relative paths made absolute, the database's password fetched from its file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from taskserver.config import database_url, secrecy
from taskserver.config.console import ConsoleSettings
from taskserver.config.credentials import DATABASE_PASSWORD, credential
from taskserver.config.faults import WrongValue
from taskserver.config.models import CommandSettings, NotifyOnFailure, Settings
from taskserver.texts import mark

_LONGEST_PASSWORD = 4096


def placed(settings: Settings, base: Path) -> Settings:
    """The settings with every path absolute; relative ones begin at `base`."""
    base = base.absolute()
    return settings.model_copy(
        update={
            "users_dir": base / settings.users_dir,
            "database": database_url.placed(settings.database, base),
            "database_password_file": _below(base, settings.database_password_file),
            "notify_on_failure": _placed_notify(settings.notify_on_failure, base),
            "python_path": tuple(base / folder for folder in settings.python_path),
            "log_file": _below(base, settings.log_file),
            "console": _placed_console(settings.console, base),
            "tasks": {name: _placed_task(task, base) for name, task in settings.tasks.items()},
        }
    )


def with_password(settings: Settings) -> Settings:
    """The settings with the password from its own file in `database`. Raises WrongValue.

    The service manager's credential comes before `database_password_file`, which then need not be readable.
    """
    file = credential(DATABASE_PASSWORD) if database_url.lacks_password(settings.database) else None
    file = file or settings.database_password_file
    if file is None:
        return settings
    password = _password(file, settings.run_as)
    return settings.model_copy(update={"database": database_url.with_password(settings.database, password)})


def _password(file: Path, run_as: str | None) -> str:
    try:
        # O_NONBLOCK: opening a FIFO that nobody writes to must not hang
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as content:
            _require_secrecy(file, os.fstat(content.fileno()), run_as)
            password = content.read(_LONGEST_PASSWORD).decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise WrongValue(mark("{file} can't be read: {reason}"), file=file, reason=error.strerror) from None
    except UnicodeDecodeError:
        raise WrongValue(mark("{file} is not UTF-8"), file=file) from None
    if not password or not password.isprintable():
        raise WrongValue(mark("{file} must hold the password in one line and nothing else"), file=file)
    return password


def _placed_notify(notify: NotifyOnFailure, base: Path) -> NotifyOnFailure:
    return notify.model_copy(update={"smtp_password_file": _below(base, notify.smtp_password_file)})


def _require_secrecy(file: Path, status: os.stat_result, run_as: str | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise WrongValue(mark("{file} is not a regular file"), file=file)
    reader = secrecy.readers(status.st_mode, status.st_gid, run_as)
    if reader == "":
        raise WrongValue(mark("everybody may read or change {file}; chmod 640 {file}"), file=file)
    if reader is not None:
        raise WrongValue(
            mark(
                "the group {group}, to which the daemon does not belong, may read or change {file}; "
                "chmod g-rw {file}"
            ),
            file=file,
            group=reader,
        )


def _placed_console(console: ConsoleSettings, base: Path) -> ConsoleSettings:
    files = ("tls_certificate", "tls_key", "metrics_token_file")
    return console.model_copy(update={name: _below(base, getattr(console, name)) for name in files})


def _placed_task(task: CommandSettings, base: Path) -> CommandSettings:
    return task.model_copy(update={"cwd": _below(base, task.cwd)}) if task.cwd else task


def _below(base: Path, path: Path | None) -> Path | None:
    return base / path if path else None
