"""`check`: everything that would keep the daemon from working, found in one go and as the daemon's user."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from taskserver.cli import root
from taskserver.cli.lifecycle_check_console import console_findings
from taskserver.cli.lifecycle_check_database import database_findings
from taskserver.cli.lifecycle_finding import Finding
from taskserver.cli.output import note, print_json, say
from taskserver.cli.session import Session
from taskserver.daemon import control, folders, identity, pidfile, probe
from taskserver.errors import (
    EXIT_ERROR,
    EXIT_NEEDS_UPGRADE,
    EXIT_NOT_ALLOWED,
    EXIT_NOT_CONFIGURED,
    EXIT_NOT_INSTALLED,
    EXIT_OK,
    NotConfigured,
    TaskServerError,
)
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import CommandSettings, Settings
    from taskserver.daemon.identity import Identity
    from taskserver.daemon.pidfile import Reading
    from taskserver.daemon.probe import Answer, Question


_GRAVEST_FIRST = (EXIT_NOT_CONFIGURED, EXIT_NOT_INSTALLED, EXIT_NEEDS_UPGRADE, EXIT_NOT_ALLOWED, EXIT_ERROR)


def check(session: Session) -> int:
    """Print every finding; the exit code of the gravest kind: see _GRAVEST_FIRST."""
    findings = _without_echoes(list(_findings(session)))
    codes = {finding.code for finding in findings}
    code = next(
        (grave for grave in _GRAVEST_FIRST if grave in codes),
        max(codes, default=EXIT_OK),
    )
    if session.json:
        print_json(
            {
                "ok": code == EXIT_OK,
                "faults": [_document(finding) for finding in findings if finding.code != EXIT_OK],
                "warnings": [_document(finding) for finding in findings if finding.code == EXIT_OK],
            }
        )
        return code
    for finding in findings:
        kind = translate("warning: ") if finding.code == EXIT_OK else ""
        note(f"{finding.area}: {kind}{finding.text}")
    if code == EXIT_OK:
        say(translate("everything is in order"))
    return code


def _without_echoes(findings: list[Finding]) -> list[Finding]:
    """Without warnings of the configuration about what was found at fault itself."""
    at_fault = tuple(f"{finding.area}: " for finding in findings if finding.code != EXIT_OK)
    return [finding for finding in findings if finding.code != EXIT_OK or not finding.text.startswith(at_fault)]


def _document(finding: Finding) -> dict[str, str]:
    return {"area": finding.area, "text": finding.text}


def _findings(session: Session) -> Iterator[Finding]:
    from taskserver.config import ConfigurationError

    try:
        settings = session.settings
    except ConfigurationError as error:
        for line in error.message().splitlines():
            yield Finding("configuration", line, error.exit_code)
        if error.rest is not None:
            yield from _look_further(session, error.rest, {fault.key for fault in error.faults})
        return
    except NotConfigured as error:
        for line in error.message().splitlines():
            yield Finding("configuration", line, error.exit_code)
        return
    for warning in settings.warnings:
        yield Finding("configuration", warning, EXIT_OK)
    who = _identity(session, settings)
    if isinstance(who, Finding):
        yield who
        yield from _look(session, settings, None)
        return
    weak = list(dict.fromkeys(root.weak_code(settings, who)))
    for place in weak:
        yield Finding("installation", str(place), EXIT_NOT_ALLOWED)
    yield from _look(session, settings, None if weak else who)


def _look_further(session: Session, rest: Settings, at_fault: set[str]) -> Iterator[Finding]:
    """User, task modules and programs, as far as a faulty file tells them. Folders and database may be named by a
    default that stands in, and are not looked at; nothing is done for a file that everybody may have written."""
    if "" in at_fault:
        return
    who: Identity | Finding | None = None
    if not at_fault & {"task_server.run_as", "task_server.allow_root"}:
        who = _identity(session, rest)
    if isinstance(who, Finding):
        yield who
    if not at_fault & {"task_server.modules", "task_server.python_path"}:
        if who is None or isinstance(who, Finding):
            yield from _modules(rest)
        else:
            asked = replace(probe.question(rest, None), users_dir=None, log_file=None)
            yield from _faults_of(probe.ask(who, asked, installation=session.installation))
    for name, command in rest.tasks.items():
        if not any(key.startswith(f"tasks.{name}.") for key in at_fault):
            yield from _command(name, command)


def _identity(session: Session, settings: Settings) -> Identity | Finding:
    try:
        return session.daemon_identity(settings)
    except TaskServerError as error:
        return Finding.of("user", error)


def _look(session: Session, settings: Settings, who: Identity | None) -> Iterator[Finding]:
    """All that can be looked at. Where the user is not known, or can't work here, what that user may do is not
    tried: nothing is imported then, and no file of a database is opened."""
    from taskserver import database as _  # noqa: F401 that user may not reach the package

    reading = pidfile.read(settings.users_dir)
    refused = folders.refusals(who, users_dir=settings.users_dir, log_file=settings.log_file)
    for error in refused:
        yield Finding.of("folders", error)
    settled = any(error.fields["key"] == "users_dir" for error in refused) or _is_handed_over(settings, who)
    reached = False
    if who is None:
        yield from _modules(settings)
    else:
        asked = _question(session, settings, who, settled=settled, refused=bool(refused))
        answer = probe.ask(who, asked, installation=session.installation)
        yield from _as_the_daemon(settings, answer)
        reached = answer.reached
        if reached:
            identity.become(who)
            settled = settled or _is_closed(settings.users_dir)
    for name, command in settings.tasks.items():
        yield from _command(name, command)
    yield from console_findings(settings.console, running=reading.state is pidfile.State.RUNNING)
    if not settled:
        yield from _pidfile(settings, reading, trusted=reached)
        yield from _socket(settings)
    if settled and _is_inside(settings):
        return
    try:
        root.require_database(settings)
    except root.DatabaseRefused as error:
        yield Finding.of("database", error)
    else:
        running = reading.state is pidfile.State.RUNNING
        yield from database_findings(settings, running=running, trusted=reached)


def _is_handed_over(settings: Settings, who: Identity | None) -> bool:
    """Whether the users directory is an empty one of root, which start gives to the daemon's user."""
    try:
        return who is not None and who.changes and settings.users_dir.stat().st_uid == 0
    except OSError:
        return False


def _is_closed(folder: Path) -> bool:
    try:
        return folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except PermissionError:
        return True


def _question(session: Session, settings: Settings, who: Identity, *, settled: bool, refused: bool) -> Question:
    """What the daemon's user is asked: not about folders refused already, nor a log that root will make."""
    asked = probe.question(settings, session.config_file())
    log = settings.log_file
    try:
        made_by_root = (
            who.changes and log is not None and not os.path.lexists(log) and log.parent.stat().st_uid == 0
        )
    except OSError:
        made_by_root = False
    return replace(
        asked,
        users_dir=None if settled else asked.users_dir,
        log_file=None if refused or made_by_root else asked.log_file,
    )


def _modules(settings: Settings) -> Iterator[Finding]:
    """Task modules that are nowhere to be found; nothing is imported."""
    path = [*map(str, settings.python_path), *sys.path]
    for name in settings.modules:
        if PathFinder.find_spec(name.partition(".")[0], path) is None:
            text = translate("the module {module} is nowhere on the path of the tasks", module=name)
            yield Finding("daemon", text, EXIT_NOT_CONFIGURED)


def _pidfile(settings: Settings, reading: Reading, *, trusted: bool) -> Iterator[Finding]:
    """What a new daemon would stumble over where its pidfile belongs."""
    path = settings.users_dir / pidfile.NAME
    if reading.state is pidfile.State.UNKNOWN:
        yield Finding("pidfile", reading.reason, EXIT_NOT_ALLOWED)
    elif trusted and reading.state is pidfile.State.DEAD and not os.access(path, os.R_OK | os.W_OK):
        reason = translate("it is not writable for the daemon's user")
        yield Finding.of("pidfile", pidfile.PidFileRefused(path=path, reason=reason))


def _socket(settings: Settings) -> Iterator[Finding]:
    try:
        control.require_place(settings.users_dir / control.NAME)
    except control.SocketRefused as error:
        yield Finding.of("control socket", error)


def _is_inside(settings: Settings) -> bool:
    """Whether the database lies in the users directory, whose fault is its fault."""
    from taskserver.database import Database

    try:
        database = Database(settings.database)
    except TaskServerError:
        return False
    database.close()
    return database.file is not None and settings.users_dir in database.file.parents


def _as_the_daemon(settings: Settings, answer: Answer) -> Iterator[Finding]:
    """Folders, imports and task modules, in a process of its own. A folder yet to be made is no fault."""
    with contextlib.suppress(PermissionError):
        if not settings.users_dir.exists():
            text = translate("{path} does not exist yet; start makes it", path=settings.users_dir)
            yield Finding("folders", text, EXIT_OK)
    yield from _faults_of(answer)
    for warning in answer.warnings:
        yield Finding("daemon", warning, EXIT_OK)


def _faults_of(answer: Answer) -> Iterator[Finding]:
    for fault in answer.faults:
        yield Finding("daemon", fault, EXIT_NOT_CONFIGURED)


def _command(name: str, command: CommandSettings) -> Iterator[Finding]:
    area = f"tasks.{name}"
    if command.cwd is not None and not command.cwd.is_dir():
        yield Finding(
            area, translate("the folder {path} (cwd) does not exist", path=command.cwd), EXIT_NOT_CONFIGURED
        )
    program = command.command[0]
    if "{" in program:
        return  # a placeholder: known when a job gives it
    folder = command.cwd or Path.cwd()
    if "/" in program:
        found = os.access(folder / program, os.X_OK) and (folder / program).is_file()
    else:
        found = shutil.which(program, path=command.env.get("PATH")) is not None
    if not found:
        text = translate("there is no program {program} to execute", program=program)
        yield Finding(area, text, EXIT_NOT_CONFIGURED)
