"""The German catalogue: finds every text for people in the package, keeps the .po in step, compiles the .mo.

Run as a script after texts have changed: `python tests/german_catalogue.py`. It adds new messages to the .po with
an empty translation, drops those that are gone, compiles the .mo and prints what is still to be translated. The
tests in `tests/cli` use the same functions to prove that nothing is missing.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from inspect import cleandoc
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import click
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import taskserver

PACKAGE = Path(taskserver.__file__).parent
PO = PACKAGE / "locale" / "de" / "LC_MESSAGES" / "taskserver.po"
MO = PO.with_suffix(".mo")

CLICKS_OWN = ("core.py", "decorators.py", "exceptions.py", "formatting.py", "parser.py", "termui.py", "types.py")
"""click's modules whose messages a person may meet here; gettext finds them in our catalogue."""

_SINGLE = frozenset({"translate", "mark"})
_CLICK_SINGLE = frozenset({"_"})


class Message(NamedTuple):
    one: str
    many: str | None = None

    @property
    def id(self) -> str | tuple[str, str]:
        return self.one if self.many is None else (self.one, self.many)


def our_messages() -> set[Message]:
    """Every text passed to translate, mark or plural, templates included, and what explains commands, settings."""
    found = {message for path in PACKAGE.rglob("*.py") for message in _called(path, _SINGLE, "plural")}
    explained = {*_helps(), *_descriptions(), *_in_templates()}
    return {message for message in found | explained if message.one}


def click_messages() -> set[Message]:
    """click's own messages, as far as they have a sentence."""
    folder = Path(click.__file__).parent
    paths = [folder / name for name in CLICKS_OWN if (folder / name).exists()]
    return {message for path in paths for message in _called(path, _CLICK_SINGLE, "ngettext") if message.one}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the control program with its path."""
    from taskserver.cli.group import task_server

    yield from _walk("task_server", task_server)


def read_catalogue() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale="de", domain="taskserver")


def compiled(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def fields(text: str) -> set[str]:
    """The names in braces, without their conversions."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def update() -> list[Message]:
    """Brings .po and .mo into step with the source; returns what has no translation yet."""
    old = read_catalogue() if PO.exists() else Catalog(locale="de")
    ours = our_messages()
    new = Catalog(
        locale="de",
        domain="taskserver",
        project="taskserver",
        version=taskserver.__version__,
        copyright_holder="the taskserver authors",
        creation_date=datetime(2026, 11, 21, tzinfo=UTC),
        revision_date=datetime(2026, 11, 21, tzinfo=UTC),
        last_translator="the taskserver authors",
        language_team="German",
        msgid_bugs_address="",
        fuzzy=False,
        header_comment="# German translation of taskserver.\n# Kept in step by tests/german_catalogue.py.",
    )
    missing = []
    for message in sorted(ours | click_messages()):
        known = old.get(message.id)
        translation = known.string if known is not None and not known.fuzzy else ""
        flags = ["python-brace-format"] if fields(message.one) else []
        new.add(message.id, translation, flags=flags)
        if message in ours and not _is_whole(message, translation):
            missing.append(message)
    PO.parent.mkdir(parents=True, exist_ok=True)
    with PO.open("wb") as file:
        write_po(file, new, width=110, omit_header=False, no_location=True)
    MO.write_bytes(compiled(read_catalogue()))
    return missing


def _is_whole(message: Message, translation: str | tuple[str, ...]) -> bool:
    if message.many is None:
        return bool(translation)
    return isinstance(translation, tuple) and len(translation) == 2 and all(translation)


def _called(path: Path, single: frozenset[str], plural: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if name in single and len(texts) >= 1 and isinstance(node.args[0], ast.Constant):
            yield Message(texts[0])
        elif name == plural and len(texts) >= 2:
            yield Message(texts[0], texts[1])


def _in_templates() -> Iterator[Message]:
    """What templates pass to `_` and `plural`."""
    from jinja2 import nodes

    from taskserver.web.templating import TEMPLATES, environment

    made = environment()
    for path in sorted(TEMPLATES.glob("*.html")):
        for call in made.parse(path.read_text("utf-8")).find_all(nodes.Call):
            name = getattr(call.node, "name", None)
            texts = [argument.value for argument in call.args if isinstance(argument, nodes.Const)]
            if name == "_" and len(texts) == 1:
                yield Message(texts[0])
            elif name == "plural" and len(texts) == 2:
                yield Message(texts[0], texts[1])


def _helps() -> Iterator[Message]:
    for _, command in commands():
        if command.help:
            yield Message(cleandoc(command.help))
        for parameter in command.params:
            if text := getattr(parameter, "help", None):
                yield Message(text)


def _descriptions() -> Iterator[Message]:
    """What the manual page says of the tables and keys of a configuration."""
    from taskserver.config.models import CommandSettings, MemoryLimits, NotifyOnFailure, ServerSettings, kinds

    for model in (ServerSettings, NotifyOnFailure, MemoryLimits, CommandSettings):
        for name in kinds(model):
            yield Message(model.model_fields[name].description or "")
    for table in (NotifyOnFailure, MemoryLimits):
        yield Message(cleandoc(table.__doc__ or ""))


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command, info_name=path)
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            if found is not None:
                yield from _walk(f"{path} {name}", found)


if __name__ == "__main__":
    untranslated = update()
    for message in untranslated:
        print(repr(message.id))
    print(f"{len(untranslated)} messages are not translated", file=sys.stderr)
    sys.exit(bool(untranslated))
