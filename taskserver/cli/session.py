"""What one call of the control program knows: its installation, its options, its configuration and database.

Every command receives the `Session` and asks it for the settings or the store when it needs them; nothing is
read or opened before. Root becomes the user of the daemon before a database is opened or a task imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

import taskserver
from taskserver.errors import EXIT_NEEDS_UPGRADE, NotAllowed, TaskServerError
from taskserver.texts import mark, translate

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from taskserver.config import Peek, Settings
    from taskserver.daemon.identity import Identity
    from taskserver.store import Store
    from taskserver.store.explain import Finding
    from taskserver.tasks import Registry


UMASK = 0o027
"""As the daemon's own: its database and log are for its user and group."""


class DatabaseForbidden(NotAllowed):
    text = mark("{file} is closed to the user {caller!r}; call this as {owner!r} or as root")


@dataclass
class Session:
    """One call of the control program. `-c`, `--json` and their like are its fields."""

    installation: Path
    config: Path | None = None
    users_dir: Path | None = None
    json: bool = False
    foreground: bool = False
    run_job: int | None = None
    allow_root: bool = False
    by_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    """Whether root has called, whoever this process has become since."""
    opened: ExitStack = field(default_factory=ExitStack)
    """What is closed when the call ends."""

    @classmethod
    def of(cls, ctx: click.Context) -> Session:
        """The session of this call, made when it is first asked for."""
        root = ctx.find_root()
        if root.obj is None:
            root.obj = session = cls(installation_folder())
            root.call_on_close(session.opened.close)
        if ctx.obj is None:
            ctx.obj = root.obj
        return root.ensure_object(cls)

    def config_file(self) -> Path:
        """The configuration file in force. Raises NotConfigured, which names where it was looked for."""
        from taskserver.config import find_config_file

        return find_config_file(self.config, installation=self.installation, environment=os.environ)

    def peek(self) -> Peek:
        """The users directory and `run_as`, with the standard library alone, also from a broken file."""
        from taskserver.config import peek

        return peek(self.config_file(), installation=self.installation)

    @cached_property
    def settings(self) -> Settings:
        """The whole configuration. Raises ConfigurationError with every fault at once."""
        return self.settings_reader()()

    def settings_reader(self) -> Callable[[], Settings]:
        """Reads the configuration as it then is: from the file now in force, with the options of this call."""
        from taskserver.cli import root

        config_file, installation, users_dir = self.config_file(), self.installation, self.users_dir

        def read() -> Settings:
            settings = root.load(config_file, installation=installation)
            return settings if users_dir is None else _moved(settings, users_dir)

        return read

    @cached_property
    def store(self) -> Store:
        """The database, open, as the daemon's user. Raises what says that it is not there or not current."""
        from taskserver.store import Store

        self.become_run_as()
        with self.database_access():
            return self.opened.enter_context(Store.open(self.settings.database))

    @contextmanager
    def database_access(self) -> Iterator[None]:
        """A database file that is closed to the caller leaves the block as DatabaseForbidden, with whom to be."""
        try:
            yield
        except (TaskServerError, PermissionError) as error:
            barred = None
            if getattr(error, "exit_code", None) != EXIT_NEEDS_UPGRADE:
                barred = _closed_place(self.settings.database)
            if barred is None:
                raise
            raise DatabaseForbidden(
                file=barred, caller=_name(os.geteuid()), owner=_name(barred.stat().st_uid)
            ) from error

    @cached_property
    def registry(self) -> Registry:
        """The tasks of this configuration, imported as the daemon's user. Raises RootRefused and CodeRefused."""
        from taskserver.tasks import Registry

        settings = self.settings
        self.become_run_as()
        if self.by_root:
            from taskserver.cli import root

            root.require_modules(settings, self.daemon_identity())
        return Registry.load(modules=settings.modules, python_path=settings.python_path, commands=settings.tasks)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone in which people of this installation read and write times."""
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.settings.time_zone)

    @cached_property
    def user(self) -> str:
        """Who called the control program: kept with what it creates."""
        return os.environ.get("SUDO_USER") or _name(os.getuid())

    def wake(self) -> None:
        """Lets every daemon look at once at what was written; one that does not listen will find it by itself."""
        self.store.nodes.wake()

    def explain(self, job_id: int) -> list[Finding]:
        """Why the job does not run, with times as people of this installation read them. Raises JobNotFound."""
        from taskserver.cli.output import local_time

        zone = self.zone
        show = lambda moment: local_time(moment, zone, with_zone=True)  # noqa: E731
        return self.store.jobs.explain(job_id, show, dead=self.dead_nodes())

    def dead_nodes(self) -> set[str]:
        """The boot id of this installation's own node, if its pidfile shows that it has died.

        The database takes it for alive until its lease is over; a boot id names one start of one daemon.
        """
        from taskserver.daemon import pidfile

        reading = pidfile.read(self.settings.users_dir)
        boot_id = reading.record.facts.get("boot-id") if reading.record else None
        return {boot_id} if reading.state is pidfile.State.DEAD and boot_id else set()

    def become_run_as(self) -> None:
        """As root: becomes the configured user, so that no file is left which the daemon can't write.

        From here on files are made with the daemon's umask, by whomever: the database is nobody else's to read.
        """
        self.opened.callback(os.umask, os.umask(UMASK))
        if os.geteuid() != 0:
            return
        from taskserver.cli import root
        from taskserver.daemon.identity import become

        identity = self.identity() if self.settings.run_as is not None else root.owner_of_database(self.settings)
        if identity is None:
            root.require_database(self.settings)
            return
        self.user  # noqa: B018 known from now on, whoever this process becomes
        _require_reach(identity)
        become(identity)

    def identity(self) -> Identity:
        """Who this call works as: the configured user if root calls, else the caller. Raises UnknownUser."""
        if os.geteuid() != 0 or self.settings.run_as is None:
            from taskserver.daemon.identity import resolve

            return resolve(None, allow_root=True)
        return self.daemon_identity()

    def daemon_identity(self) -> Identity:
        """Who runs tasks. Raises UnknownUser, RootRefused, SomebodyElse."""
        from taskserver.daemon.identity import resolve

        settings = self.settings
        return resolve(
            settings.run_as,
            allow_root=settings.allow_root or self.allow_root,
            passes=settings.pass_environment,
        )


def _require_reach(identity: Identity) -> None:
    """Raises OutOfReach for a clone or an interpreter that the user can't read, as one below /root."""
    from taskserver.daemon.identity import barrier
    from taskserver.daemon.probe import OutOfReach

    for path in (Path(taskserver.__file__).resolve(), Path(os.__file__).resolve()):
        barred = barrier(path, identity)
        if barred is not None:
            fault = translate("{path} is out of reach: {bar} is closed to that user", path=path, bar=barred)
            raise OutOfReach(name=identity.name, faults=f"  - {fault}")


def _closed_place(url: str) -> Path | None:
    """The first folder on the way to the database's file, or the file, that is another user's and closed to us."""
    from taskserver.database import Database

    database = Database(url)
    file = database.file
    database.close()
    if file is None:
        return None
    for folder in reversed(file.parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return _if_foreign(folder)
    if file.exists() and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        return _if_foreign(file)
    return None if os.access(file.parent, os.W_OK, effective_ids=True) else _if_foreign(file.parent)


def _if_foreign(path: Path) -> Path | None:
    return path if path.exists() and path.stat().st_uid != os.geteuid() else None


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _moved(settings: Settings, users_dir: Path) -> Settings:
    """The settings with another users directory, and in it whatever the file does not place elsewhere."""
    from taskserver.config.database_url import sqlite_url
    from taskserver.config.models import DATABASE_FILE, LOG_FILE

    moved: dict[str, object] = {"users_dir": users_dir}
    if settings.origins.get("task_server.database") == "default":
        moved["database"] = sqlite_url(users_dir / DATABASE_FILE)
    if settings.origins.get("task_server.log_file") == "default" and settings.log_file is not None:
        moved["log_file"] = users_dir / LOG_FILE
    return settings.model_copy(update=moved)


pass_session = click.make_pass_decorator(Session)


def installation_folder() -> Path:
    """The folder that `etc/` and `users/` belong to: the clone, else the virtual environment, else /var/lib."""
    beside_package = Path(taskserver.__file__).resolve().parent.parent
    if (beside_package / "setup.cfg").exists():
        return beside_package
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix)
    return Path("/var/lib/taskserver")
