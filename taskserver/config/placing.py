"""Puts settings into their place: relative paths made absolute, the database's password fetched from its file."""

from __future__ import annotations

import stat
from pathlib import Path

from taskserver.config import database_url
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
    password = _password(file)
    return settings.model_copy(update={"database": database_url.with_password(settings.database, password)})


def _password(file: Path) -> str:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise WrongValue(mark("{file} is not a regular file"), file=file)
        if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise WrongValue(mark("everybody may read or change {file}; chmod 640 {file}"), file=file)
        with file.open("rb") as content:
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


def _placed_task(task: CommandSettings, base: Path) -> CommandSettings:
    return task.model_copy(update={"cwd": _below(base, task.cwd)}) if task.cwd else task


def _below(base: Path, path: Path | None) -> Path | None:
    return base / path if path else None
