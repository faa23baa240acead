"""Commands that make a daemon: start in the background, run in the foreground, and one job alone.

They settle who it will be and whether that user can work here, before anything is forked or given up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from taskserver.cli import lifecycle_console, root
from taskserver.cli.output import note, print_json
from taskserver.cli.session import Session
from taskserver.daemon import folders, foreground, pidfile, probe
from taskserver.daemon.detach import Launch, Started, await_ready
from taskserver.daemon.detach import start as start_detached
from taskserver.daemon.identity import Identity
from taskserver.daemon.pidfile import AlreadyRunning, State
from taskserver.errors import EXIT_OK
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import Settings
    from taskserver.daemon.service import Service
    from taskserver.tasks import Registry


def start(session: Session, *, probed: bool = False) -> int:
    """Start the daemon in the background; exit code 0 also if there is one. `probed`: that has been done."""
    settings = session.settings
    if pidfile.read(settings.users_dir).state is State.RUNNING:
        found = await_ready(settings.users_dir)
        if found is not None:
            return _tell(session, found)
    who = _identity(session, settings)
    _prepare_folders(settings, who)
    if who.changes and not probed:  # as the same user the daemon is its own probe
        _probe(session, settings, who)
    return _tell(session, start_detached(_launch(session, settings, who), note))


def run(session: Session, *, stop_when_ready: bool) -> int:
    """Be the daemon, in this process; its exit code. A daemon that runs already is an error here."""
    settings = session.settings
    reading = pidfile.read(settings.users_dir)
    if reading.state is State.RUNNING and reading.record is not None:
        raise AlreadyRunning(pid=reading.record.pid)
    who = _identity(session, settings)
    folders.prepare(who, users_dir=settings.users_dir, log_file=None)
    return foreground.run(_launch(session, settings, who), stop_when_ready=stop_when_ready)


def run_job(session: Session, job_id: int) -> int:
    """Run one job now, in the daemon if there is one, else here; the exit code is that of its outcome."""
    from taskserver.cli.job.view import ending
    from taskserver.cli.lifecycle_job import have_run

    settings = session.settings
    if pidfile.read(settings.users_dir).state is State.RUNNING:
        return have_run(session, job_id)
    who = _identity(session, settings)
    folders.prepare(who, users_dir=settings.users_dir, log_file=None)
    ran, code = foreground.run_one_job(_launch(session, settings, who), job_id)
    job = session.store.jobs.get(ran)
    if session.json:
        print_json(job)
    else:
        note(ending(ran, job))
    return code


def require_startable(session: Session) -> None:
    """Raise what would keep a start from succeeding, as far as that shows while the old daemon still works."""
    from taskserver.cli import lifecycle_trial

    settings = session.settings
    who = _identity(session, settings)
    _prepare_folders(settings, who)
    _probe(session, settings, who)
    if pidfile.read(settings.users_dir).state is State.RUNNING:
        lifecycle_trial.require(settings, who)


def make_service(settings: Settings, log: logging.Logger) -> Service:
    """The real server. Imported here, after the fork: it brings threads and connections."""
    from taskserver.server import Server

    return Server(settings, load_registry, log)


def load_registry(settings: Settings) -> Registry:
    from taskserver.tasks import Registry

    return Registry.load(modules=settings.modules, python_path=settings.python_path, commands=settings.tasks)


def _identity(session: Session, settings: Settings) -> Identity:
    """Who the daemon will be; as root not before it is sure that nobody else has a hand in it."""
    who = session.daemon_identity()
    root.require_code(settings, who)
    if not who.changes:
        root.require_database(settings)
    return root.settle(settings, who)


def _prepare_folders(settings: Settings, who: Identity) -> None:
    folders.prepare(who, users_dir=settings.users_dir, log_file=settings.log_file)


def _probe(session: Session, settings: Settings, who: Identity) -> None:
    asked = probe.question(settings, session.config_file())
    for warning in probe.require(who, asked, installation=session.installation):
        note(warning)


def _launch(session: Session, settings: Settings, who: Identity) -> Launch:
    return Launch(
        settings=settings,
        installation=session.installation,
        identity=who,
        make_service=make_service,
        read_settings=session.settings_reader(),
    )


def _tell(session: Session, started: Started) -> int:
    console = None
    if started.fresh and started.ready and session.settings.console.enabled:
        console = lifecycle_console.after_start(session)
    if session.json:
        told = {"pid": started.pid, "started": started.fresh, "ready": started.ready}
        print_json(told if console is None else told | {"console": console})
    if started.fresh and started.ready:
        note(translate("the task server has started (pid {pid})", pid=started.pid))
    elif started.ready:
        note(translate("the task server is already running (pid {pid})", pid=started.pid))
    else:
        note(
            translate(
                "the task server (pid {pid}) goes on trying in the background until its database is there",
                pid=started.pid,
            )
        )
    if console is not None and not session.json:
        lifecycle_console.tell(console)
    return EXIT_OK
