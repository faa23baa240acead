"""The German catalogue is whole: every text for people has its translation, and the compiled file is current."""

from __future__ import annotations

import errno
import gettext
import os
import re
from pathlib import Path

import pytest
from german_catalogue import MO, PACKAGE, fields, our_messages, read_catalogue

from taskserver.config.faults import Fault
from taskserver.daemon.folders import FolderRefused
from taskserver.texts import SYSTEM_WORDS

CATALOGUE = read_catalogue()


def test_every_text_has_a_german_translation():
    missing = [message.id for message in sorted(our_messages()) if not _translations(message.id)]

    assert missing == [], "run `python tests/german_catalogue.py`, then translate what it prints"


def test_every_translation_has_the_fields_of_its_text():
    for message in our_messages():
        wanted = fields(message.one) | fields(message.many or "")
        one, *many = [fields(translation) for translation in _translations(message.id)] or [wanted]

        assert all(each == wanted for each in many), message.one
        # "The last line" needs no number.
        assert one == wanted or (many and one == wanted - {"count"}), message.one


def test_every_translation_keeps_commands_options_and_keys():
    literal = re.compile(r"`[^`]+`|--[a-z][a-z-]+|(?<![\w.])[a-z]+_[a-z_]+(?![\w.])")

    for message in our_messages():
        for translation in _translations(message.id):
            missing = set(literal.findall(message.many or message.one)) - set(literal.findall(translation))
            assert not missing, message.one


def test_the_compiled_catalogue_is_that_of_the_source():
    with MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for message in our_messages():
        if message.many is None:
            strings = [compiled.gettext(message.one)]
        else:
            strings = [compiled.ngettext(message.one, message.many, count) for count in (1, 2)]
        assert strings == _translations(message.id) or not _translations(message.id)


def test_texts_are_literals_so_that_they_can_be_found():
    formatted = re.compile(r"\b(?:translate|mark|plural)\(\s*f[\"']")

    assert [path for path in PACKAGE.rglob("*.py") if formatted.search(path.read_text("utf-8"))] == []


def test_texts_of_templates_are_literals_or_words_that_were_marked():
    """`_(entry.title)` is a text that Python has marked; an expression that makes one could not be found."""
    made = re.compile(r"\b(?:_|plural)\((?!\s*(?:\"|[a-z_]+\.title\b))")

    found = [
        (path.name, line)
        for path in (PACKAGE / "web" / "templates").glob("*.html")
        for line in path.read_text("utf-8").splitlines()
        if made.search(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["help", "job", "add"], 0, "Reiht eine Aufgabe ein."),
        (["help", "job", "add"], 0, "Optionen:"),
        (["nope"], 2, "es gibt keinen Befehl 'nope'"),
        (["job", "lst"], 2, "meinten Sie 'list'?"),
        (["version", "--jsn"], 2, "Es gibt keine Option '--jsn'"),
        (["job", "show"], 2, "Es fehlt das Argument 'ID'"),
        (["job", "move", "1", "sideways"], 2, "'sideways' ist keines von"),
    ],
)
def test_the_program_speaks_german(program, arguments, code, expected):
    result = program("--lang", "de", *arguments)

    assert result.code == code
    assert expected in result.out + result.err


def test_what_the_operating_system_says_is_in_german_too(program, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere")

    monkeypatch.setattr("taskserver.cli.group.say", refuse)
    anywhere = program("--lang", "de", "version")

    assert anywhere.err == "task_server: es geht nicht weiter: Keine Berechtigung: /somewhere\n"


def test_every_word_of_the_system_is_one_that_it_says():
    said = {os.strerror(number) for number in errno.errorcode}

    assert said >= SYSTEM_WORDS


def test_a_reason_is_english_in_a_log_and_german_for_a_german(program):
    refused = FolderRefused(path="p", key="k", reason="Permission denied")
    fault = Fault(Path("x.toml"), "", None, "can't be read: {reason}", {"reason": "Input/output error"})

    program("--lang", "de", "version")

    assert str(refused).endswith("Permission denied")
    assert refused.message().endswith("Keine Berechtigung")
    assert (str(fault), fault.message()) == (
        "x.toml: can't be read: Input/output error",
        "x.toml: kann nicht gelesen werden: Ein-/Ausgabefehler",
    )


def _translations(message_id: str | tuple[str, str]) -> list[str]:
    """The translations of a message, one for each plural form; empty if any is missing."""
    found = CATALOGUE.get(message_id if isinstance(message_id, str) else message_id[0])
    if found is None or found.fuzzy:
        return []
    strings = [found.string] if isinstance(found.string, str) else list(found.string)
    return strings if all(strings) else []
