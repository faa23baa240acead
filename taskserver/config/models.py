"""The keys of a configuration: each with its kind, its default and the one text that explains it.

The descriptions also make `etc/taskserver.toml`, the JSON schema, the manual page and the documentation.
Imported late: pydantic costs a fifth of a second.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from taskserver.config import machine
from taskserver.config.compound_kinds import Argv, ListOf, TableOf
from taskserver.config.console import ConsoleSettings
from taskserver.config.database_url import sqlite_url
from taskserver.config.kinds import (
    Choice,
    DatabaseUrl,
    Duration,
    FilePath,
    Flag,
    Kind,
    Size,
    TemplateText,
    Text,
    TimeZone,
    WholeNumber,
)
from taskserver.texts import mark

DEFAULT_USERS_DIR = "users"
DATABASE_FILE = "taskserver.sqlite"
LOG_FILE = "taskserver.log"
WITHOUT_LOG_FILE = ("journal", "syslog")
"""Values of log_format with which a service keeps the log."""

_DAY = 86400
_COUNT = WholeNumber(0, 1_000_000_000, optional=True)
_MINUTES = WholeNumber(0, 60 * 24 * 366 * 100, optional=True)
_USER = Text(
    pattern=r"[A-Za-z_][A-Za-z0-9_.-]*\$?",
    wanted=mark("must be the name of a system user, not {value}"),
    optional=True,
)
_NODE = Text(pattern=r"[^@]+", wanted=mark("must not hold an @: {value}"))
_MODULE = Text(
    pattern=r"[^\W\d]\w*(\.[^\W\d]\w*)*", wanted=mark("must be a module's name as myapp.tasks, not {value}")
)
_PASSED_NAME = Text(
    pattern=r"[A-Za-z_][A-Za-z0-9_]*\*?",
    wanted=mark(
        "must be the name of an environment variable, or the beginning of names with a * behind it, not {value}"
    ),
)
_VARIABLES = TableOf(
    TemplateText(), pattern=r"[A-Za-z_][A-Za-z0-9_]*", wanted=mark("is no name for an environment variable")
)
_DEFAULTS = TableOf(TemplateText(), pattern=r"[A-Za-z_][A-Za-z0-9_]*", wanted=mark("is no name for a placeholder"))


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CommandSettings(_Table):
    """A command task: a program and its arguments, run without a shell."""

    title: Annotated[str, TemplateText()] = Field(
        default="", description="Title of its jobs; may hold placeholders, as the command does."
    )
    description: Annotated[str, Text(empty=True, lines=True)] = Field(
        default="", description="What the task does, for people."
    )
    command: Annotated[tuple[str, ...], Argv(TemplateText(), empty=False)] = Field(
        description="The program (an absolute path) and its arguments, one list item each. A placeholder "
        "as {path} "
        "takes the value of the job's argument of that name and never more than this one argument; braces "
        "themselves are written twice. No shell is involved. In an INI file: one line, quoted as for a shell."
    )
    cwd: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None, description="Working directory. Not set: the installation directory."
    )
    env: Annotated[dict[str, str], _VARIABLES] = Field(
        default_factory=dict, description="Environment variables for the program; values may hold placeholders."
    )
    success_exit_codes: Annotated[tuple[int, ...], ListOf(WholeNumber(0, 255), empty=False)] = Field(
        default=(0,), description="Exit codes that mean success."
    )
    timeout: Annotated[timedelta | None, Duration(0.1, 366 * _DAY, optional=True)] = Field(
        default=None,
        description="How long a run may take before it is stopped and counts as failed. Not set: as long "
        "as it takes.",
    )
    output_limit: Annotated[int, Size(1024, 1 << 30)] = Field(
        default=1 << 20,
        description="How much output of a run is kept, in bytes or with KB, MB, GB; of more, the "
        "beginning and the end.",
    )
    stop_grace: Annotated[timedelta, Duration(0, _DAY)] = Field(
        default=timedelta(seconds=10), description="How long after SIGTERM a program that does not end is killed."
    )
    defaults: Annotated[dict[str, str], _DEFAULTS] = Field(
        default_factory=dict, description="Values for placeholders that a job leaves out."
    )
    max_parallel: Annotated[int | None, WholeNumber(1, 1024, optional=True)] = Field(
        default=None,
        description="How many jobs of this task run at the same time, over all nodes. Not set: as many as "
        "there are slots.",
    )
    max_attempts: Annotated[int, WholeNumber(1, 1000)] = Field(
        default=1, description="How often a job is tried before it has failed for good."
    )
    retry_delay: Annotated[timedelta, Duration(0, 31 * _DAY)] = Field(
        default=timedelta(seconds=10),
        description="Wait before the second attempt; it doubles with each further one.",
    )
    retry_max_delay: Annotated[timedelta, Duration(0, 366 * _DAY)] = Field(
        default=timedelta(hours=1), description="The longest wait between two attempts."
    )
    on_crash: Annotated[Literal["requeue", "fail"], Choice("requeue", "fail")] = Field(
        default="requeue",
        description="What becomes of a job whose node died while it ran: requeue (it runs again) or fail.",
    )
    max_crashes: Annotated[int, WholeNumber(1, 1000)] = Field(
        default=3, description="How many lost runs a job may have before it has failed for good."
    )


class NotifyOnFailure(_Table):
    """kivitendo's keys for mails about failed jobs: kept, not acted on yet."""

    send_email_to: Annotated[str, Text(empty=True)] = Field(
        default="", description="Who gets a mail when a job has failed. Not acted on yet."
    )
    email_from: Annotated[str, Text(empty=True)] = Field(default="", description="Sender of that mail.")
    email_subject: Annotated[str, Text(empty=True)] = Field(default="", description="Subject of that mail.")
    email_template: Annotated[str, Text(empty=True)] = Field(default="", description="Template file of that mail.")
    smtp_password_file: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None,
        description="A file that holds the mail server's password and nothing else. For the daemon, the "
        "credential smtp_password of systemd's LoadCredential= comes before it. Not acted on yet.",
    )


class MemoryLimits(_Table):
    """Limits on the daemon's memory, named as kivitendo names them."""

    memory_limit_rss: Annotated[int | None, Size(1, 1 << 50, optional=True)] = Field(
        default=None,
        description="Size of the daemon's resident memory above which the log warns: bytes, or with KB, "
        "MB, GB. 0: no limit.",
    )
    memory_limit_vsz: Annotated[int | None, Size(1, 1 << 50, optional=True)] = Field(
        default=None,
        description="Size of the daemon's virtual memory above which the log warns: bytes, or with KB, "
        "MB, GB. 0: no limit.",
    )


class ServerSettings(_Table):
    """The daemon's own keys."""

    run_as: Annotated[str | None, _USER] = Field(
        default=None, description="The system user that the daemon becomes when root starts it."
    )
    allow_root: Annotated[bool, Flag()] = Field(
        default=False,
        description="Whether the daemon may run as root, and every task with it. Better name a user in run_as.",
    )
    pass_environment: Annotated[tuple[str, ...], ListOf(_PASSED_NAME)] = Field(
        default=(),
        description="Variables of root's environment that the daemon keeps when it becomes run_as, as "
        '["MYAPP_*"]. Kept anyway are PATH, LANG, LC_*, TZ, TASKSERVER_* and what systemd sets.',
    )
    debug: Annotated[bool, Flag()] = Field(default=False, description="Whether the log tells every step.")
    node_id: Annotated[str, _NODE] = Field(
        default_factory=machine.host_name,
        description="Name of this node, unlike that of any other daemon on the same database. Default: "
        "the host name.",
    )
    only_run_tasks_for_this_node: Annotated[bool, Flag()] = Field(
        default=False,
        description="Whether to run only those jobs that name this node, and none that any node may run.",
    )
    users_dir: Annotated[Path, FilePath()] = Field(
        default=Path(DEFAULT_USERS_DIR),
        description="Folder for the pidfile, the control socket, the log and the SQLite database. This "
        "and every other "
        "relative path begins at the installation directory.",
    )
    database: Annotated[str, DatabaseUrl()] = Field(
        default=sqlite_url(Path(DEFAULT_USERS_DIR, DATABASE_FILE)),
        repr=False,  # it may hold a password
        description="Where the jobs are: sqlite:///FILE (four slashes for an absolute path) or "
        "postgresql://USER:PASSWORD@HOST/NAME. Default: taskserver.sqlite in users_dir. With a password in "
        "it this file must not be readable by everybody.",
    )
    database_password_file: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None,
        description="A file that holds the database's password and nothing else. For the daemon, the "
        "credential database_password of systemd's LoadCredential= comes before it.",
    )
    database_wait: Annotated[timedelta, Duration(0, _DAY)] = Field(
        default=timedelta(seconds=60),
        description="How long start waits for a database that is not there yet. Durations are seconds, or "
        "texts as "
        '"90s", "10m", "2h", "7d".',
    )
    modules: Annotated[tuple[str, ...], ListOf(_MODULE)] = Field(
        default=(), description="The Python modules that hold tasks."
    )
    python_path: Annotated[tuple[Path, ...], ListOf(FilePath())] = Field(
        default=(), description="Folders in which these modules are looked for first."
    )
    max_parallel: Annotated[int, WholeNumber(1, 1024)] = Field(
        default_factory=machine.cores,
        description="How many jobs run at the same time. Default: the number of processor cores.",
    )
    poll_interval: Annotated[timedelta, Duration(0.1, 3600)] = Field(
        default=timedelta(seconds=2),
        description="How often to look for jobs of writers that wake nobody. PostgreSQL and the control "
        "program do.",
    )
    drain_timeout: Annotated[timedelta, Duration(0, _DAY)] = Field(
        default=timedelta(seconds=30),
        description="How long running jobs may go on at a stop before they are asked to stop.",
    )
    lease: Annotated[timedelta, Duration(1, _DAY)] = Field(
        default=timedelta(seconds=60),
        description="How long after a node's last sign of life its jobs are taken from it.",
    )
    time_zone: Annotated[str, TimeZone()] = Field(
        default_factory=machine.time_zone,
        description="Time zone of new cron entries. Default: the machine's, else UTC.",
    )
    keep_finished_count: Annotated[int | None, _COUNT] = Field(
        default=1000,
        description='How many finished jobs are kept. "none" means no limit here and in the next three; '
        "their runs "
        "are always kept.",
    )
    keep_finished_minutes: Annotated[int | None, _MINUTES] = Field(
        default=60 * 24 * 7, description="For how many minutes finished jobs are kept."
    )
    keep_failed_count: Annotated[int | None, _COUNT] = Field(
        default=1000, description="How many failed jobs are kept."
    )
    keep_failed_minutes: Annotated[int | None, _MINUTES] = Field(
        default=60 * 24 * 30, description="For how many minutes failed jobs are kept."
    )
    auto_upgrade: Annotated[bool, Flag()] = Field(
        default=False, description="Whether start brings the tables of an older release up to date by itself."
    )
    log_format: Annotated[
        Literal["auto", "text", "json", "journal", "syslog"], Choice("auto", "text", "json", "journal", "syslog")
    ] = Field(
        default="auto",
        description="How the log is written: text or json (one object a line), to log_file; or without a file, "
        "to systemd's journal or to syslog. In the foreground text and json go to standard error, and a log "
        "that a terminal shows goes nowhere else. auto: journal if systemd runs the server in the foreground, "
        "else text.",
    )
    log_file: Annotated[Path | None, FilePath(optional=True)] = Field(
        default=None, description="The log of a server in the background. Default: taskserver.log in users_dir."
    )


class Settings(ServerSettings, MemoryLimits):
    """Everything that a configuration says, immutable, with defaults filled in."""

    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    notify_on_failure: NotifyOnFailure = Field(default_factory=NotifyOnFailure)
    tasks: dict[str, CommandSettings] = Field(default_factory=dict)

    file: Path | None = None
    """The file that was read."""
    origins: dict[str, str] = Field(default_factory=dict)
    """Where each dotted key comes from: "FILE:LINE" or "default"."""
    warnings: tuple[str, ...] = ()
    """What is no fault and yet should be told, in the language in use when it was loaded."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """What lies in `users_dir` by default follows it."""
        users_dir = given.get("users_dir", DEFAULT_USERS_DIR)
        if not isinstance(users_dir, (str, Path)):
            return given
        filled = {"database": sqlite_url(Path(users_dir, DATABASE_FILE)), **given}
        if given.get("log_format") not in WITHOUT_LOG_FILE and not given.get("log_file"):
            filled["log_file"] = str(Path(users_dir, LOG_FILE))
        return filled


def kinds(model: type[BaseModel]) -> dict[str, Kind]:
    """The kind of every key that `model` takes from a file, in order."""
    found = {
        name: next((part for part in field.metadata if isinstance(part, Kind)), None)
        for name, field in model.model_fields.items()
    }
    return {name: kind for name, kind in found.items() if kind is not None}
