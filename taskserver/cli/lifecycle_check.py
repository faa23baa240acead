"""`check`: everything that would keep the daemon from working, found in one go and as the daemon's user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taskserver.cli.output import note, print_json, say
from taskserver.cli.session import Session
from taskserver.daemon import identity, probe
from taskserver.errors import (
    EXIT_ERROR,
    EXIT_NEEDS_UPGRADE,
    EXIT_NOT_CONFIGURED,
    EXIT_OK,
    NotConfigured,
    TaskServerError,
)
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import CommandSettings, Settings
    from taskserver.daemon.probe import Answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `code` is the exit code that it calls for; EXIT_OK: it is only worth knowing."""

    area: str
    text: str
    code: int


def check(session: Session) -> int:
    """Print every finding; the exit code of the gravest kind: configuration, then schema, then the rest."""
    findings = _without_echoes(list(_findings(session)))
    codes = {finding.code for finding in findings}
    code = next(
        (grave for grave in (EXIT_NOT_CONFIGURED, EXIT_NEEDS_UPGRADE, EXIT_ERROR) if grave in codes),
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
    try:
        settings = session.settings
    except NotConfigured as error:
        for line in error.message().splitlines():
            yield Finding("configuration", line, error.exit_code)
        return
    for warning in settings.warnings:
        yield Finding("configuration", warning, EXIT_OK)
    try:
        who = identity.resolve(settings.run_as, allow_root=settings.allow_root or session.allow_root)
    except TaskServerError as error:
        yield Finding("user", error.message(), error.exit_code)
        return
    answer = probe.ask(who, probe.question(settings, session.config_file()), installation=session.installation)
    yield from _as_the_daemon(settings, answer)
    if not answer.reached:
        return  # as that user nothing more could be imported
    identity.become(who)
    for name, command in settings.tasks.items():
        yield from _command(name, command)
    yield from _database(settings)


def _as_the_daemon(settings: Settings, answer: Answer) -> Iterator[Finding]:
    """Folders, imports and task modules, in a process of its own. A folder yet to be made is no fault."""
    if not settings.users_dir.exists():
        yield Finding(
            "folders",
            translate("{path} does not exist yet; start makes it", path=settings.users_dir),
            EXIT_OK,
        )
    for fault in answer.faults:
        yield Finding("daemon", fault, EXIT_NOT_CONFIGURED)
    for warning in answer.warnings:
        yield Finding("daemon", warning, EXIT_OK)


def _command(name: str, command: CommandSettings) -> Iterator[Finding]:
    area = f"tasks.{name}"
    if command.cwd is not None and not command.cwd.is_dir():
        yield Finding(area, translate("the folder {path} (cwd) does not exist", path=command.cwd), EXIT_ERROR)
    program = command.command[0]
    if "{" in program:
        return  # a placeholder: known when a job gives it
    folder = command.cwd or Path.cwd()
    if "/" in program:
        found = os.access(folder / program, os.X_OK) and (folder / program).is_file()
    else:
        found = shutil.which(program, path=command.env.get("PATH")) is not None
    if not found:
        yield Finding(area, translate("there is no program {program} to execute", program=program), EXIT_ERROR)


def _database(settings: Settings) -> Iterator[Finding]:
    from taskserver.store import Store

    area = "database"
    try:
        state = str(Store.schema_state(settings.database))
    except TaskServerError as error:
        yield Finding(area, error.message(), error.exit_code)
        return
    if state == "empty":
        yield Finding(area, translate("it has no tables yet; start makes them"), EXIT_OK)
    elif state == "older":
        code = EXIT_OK if settings.auto_upgrade else EXIT_NEEDS_UPGRADE
        yield Finding(
            area, translate("its tables are those of an older version; run `task_server db upgrade`"), code
        )
    elif state == "newer":
        yield Finding(
            area, translate("its tables are those of a newer version; install that one"), EXIT_NEEDS_UPGRADE
        )
