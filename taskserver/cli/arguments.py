"""The arguments of a task as written on the command line: `NAME=VALUE` pairs and `--data JSON`.

A value is read as the type that the task's schema gives it. Daemons publish the schemas of their tasks in the
database; a task that none has published yet is looked up in this process. Nothing here runs a task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from taskserver.cli.session import Session
from taskserver.errors import UsageError
from taskserver.texts import mark

if TYPE_CHECKING:
    from taskserver.tasks import Registry


class PairWithoutName(UsageError):
    text = mark("{argument!r} is no argument of a task: write NAME=VALUE")


class GivenTwice(UsageError):
    text = mark("the argument {name!r} is given twice")


class DataNotJson(UsageError):
    text = mark("--data is no JSON: {error}")


class DataNotObject(UsageError):
    text = mark("--data must be a JSON object, as {example}")

    def __init__(self) -> None:
        super().__init__(example='{"path": "/scans/4711"}')


def read_arguments(
    session: Session, task: str, pairs: Sequence[str], data: str | None, *, kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The data of a job, checked; `kept` are arguments that were there before.

    Raises UnknownTask, or InvalidArguments with each wrong argument.
    """
    from taskserver.tasks import coerce_by_schema, validate_by_schema

    given, words = {**(kept or {}), **read_data(data)}, read_pairs(pairs)
    for name in words.keys() & given.keys():
        raise GivenTwice(name=name)
    published = next((row for row in session.store.tasks.find() if row["name"] == task), None)
    if published is not None:
        schema = published["schema"] or {}
        return validate_by_schema(schema, given | coerce_by_schema(schema, words), task=task)
    known = _registry_for(session, task).get(task)
    return known.validate(given | known.coerce(words))


def _registry_for(session: Session, task: str) -> Registry:
    """All tasks; where root may not import modules, a name that none of them could have is told first."""
    from taskserver.daemon.identity import RootRefused
    from taskserver.tasks import Registry

    try:
        return session.registry
    except RootRefused:
        if not session.settings.modules:
            Registry.load(commands=session.settings.tasks).get(task)
        raise


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a dictionary. Raises PairWithoutName, GivenTwice."""
    words: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise PairWithoutName(argument=pair)
        if name in words:
            raise GivenTwice(name=name)
        words[name] = value
    return words


def read_data(data: str | None) -> dict[str, Any]:
    """The JSON object of `--data`, empty without one. Raises DataNotJson, DataNotObject."""
    if data is None:
        return {}
    try:
        value = json.loads(data)
    except ValueError as error:
        raise DataNotJson(error=error) from error
    if not isinstance(value, dict):
        raise DataNotObject()
    return value
