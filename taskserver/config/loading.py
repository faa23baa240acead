"""Reads a configuration file into `Settings`, or says everything that is wrong with it at once.

The way of a value: source, document (TOML or INI), structure, kinds, places, checks. A key that is at fault is
left out and its default stands in, so that the later steps still find what else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskserver.config.document import Document
from taskserver.config.faults import ConfigurationError, Key, WrongValue, dotted
from taskserver.config.source import read_source
from taskserver.texts import mark

if TYPE_CHECKING:
    from pydantic import ValidationError

    from taskserver.config.models import Settings

_DEFAULT = "default"


def load(path: Path, *, installation: Path | None = None) -> Settings:
    """The settings in `path`, complete, with absolute paths.

    Relative paths begin at `installation`, else at the folder of the file. Raises ConfigurationError with every
    fault that was found.
    """
    path = Path(path).absolute()
    document = read_document(path)
    settings = _settings(document, installation or path.parent)
    if document.faults:
        raise ConfigurationError(document.faults, settings)
    return settings


def read_document(path: Path) -> Document:
    """The document of a file. Raises ConfigurationError for one that can't be read or is not even TOML."""
    source = read_source(path)
    if source.format == "toml":
        from taskserver.config.toml_reader import read_toml

        document = read_toml(source)
        if document.faults:
            raise ConfigurationError(document.faults)
        return document
    from taskserver.config.ini_document import read_ini

    return read_ini(source)


def _settings(document: Document, base: Path) -> Settings:
    from taskserver.config import checks
    from taskserver.config.placing import placed, with_password
    from taskserver.config.structure import arguments

    given = arguments(document)
    settings, bad = _validated(document, given)
    settings = placed(settings, base)
    for finding in checks.findings(settings, document.source):
        if finding.key not in bad:
            document.report(finding.key, finding.template, **finding.fields)
    if not document.faults:
        try:
            settings = with_password(settings)
        except WrongValue as wrong:
            document.report_wrong(("task_server", "database_password_file"), wrong)
    return settings.model_copy(
        update={
            "file": document.source.file,
            "origins": {dotted(key): _origin(document, key) for key in _keys(settings)},
            "warnings": tuple(checks.warnings(settings)),
        }
    )


def _validated(document: Document, given: dict[str, Any]) -> tuple[Settings, set[Key]]:
    """The settings without what is at fault, and the keys that are."""
    from pydantic import ValidationError

    from taskserver.config.models import Settings
    from taskserver.config.structure import path_of

    try:
        return Settings.model_validate(given), set()
    except ValidationError as error:
        bad = set()
        for place, wrong in _wrongs(error):
            bad.add(path_of(place))
            document.report_wrong(path_of(place), wrong)
            _remove(given, place)
    return Settings.model_validate(given), bad


def _wrongs(error: ValidationError) -> Iterator[tuple[Key, WrongValue]]:
    for detail in error.errors(include_url=False):
        place = tuple(str(part) for part in detail["loc"])
        wrong = detail.get("ctx", {}).get("error")
        if isinstance(wrong, WrongValue):
            yield place, wrong
        elif detail["type"] == "missing":
            yield place, WrongValue(mark("is missing"))
        else:
            yield place, WrongValue(mark("is not understood"))


def _remove(given: dict[str, Any], place: Key) -> None:
    """Takes a faulty argument out; with a command, which has no default, its whole task."""
    if place[0] == "tasks" and place[-1] == "command":
        place = place[:2]
    table = given
    for part in place[:-1]:
        if part not in table:
            return
        table = table[part]
    table.pop(place[-1], None)


def _origin(document: Document, key: Key) -> str:
    values: Any = document.values
    for part in key:
        if not isinstance(values, dict) or part not in values:
            return _DEFAULT
        values = values[part]
    return document.origin(key)


def _keys(settings: Settings) -> Iterator[Key]:
    """Every key of a file that would say it all."""
    from taskserver.config.console import ConsoleSettings
    from taskserver.config.models import CommandSettings, NotifyOnFailure, ServerSettings, kinds
    from taskserver.config.structure import CONSOLE, NOTIFY, SERVER, SYSTEM, SYSTEM_KEYS, TASKS

    yield from ((SERVER, name) for name in kinds(ServerSettings))
    yield from ((SERVER, CONSOLE, name) for name in kinds(ConsoleSettings))
    yield from ((SERVER, NOTIFY, name) for name in kinds(NotifyOnFailure))
    yield from ((SYSTEM, name) for name in SYSTEM_KEYS)
    yield from ((TASKS, task, name) for task in settings.tasks for name in kinds(CommandSettings))
