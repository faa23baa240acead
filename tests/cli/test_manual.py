"""The manual pages: complete, in English and German, and such that no reader of manual pages complains."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest
from german_catalogue import commands

from taskserver import errors
from taskserver.cli import manual
from taskserver.cli.manual.roff import Roff
from taskserver.config.models import CommandSettings, MemoryLimits, NotifyOnFailure, ServerSettings, kinds

HEADINGS = (
    *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "SIGNALS", "FILES"),
    *("ENVIRONMENT", "EXAMPLES", "SEE ALSO"),
)
LINTERS = {
    "groff": (("groff", "-ww", "-man", "-z"), "groff"),
    "man": (("man", "--warnings", "--local-file"), "man-db"),
    "mandoc": (("mandoc", "-T", "lint"), "mandoc"),
}
PAGES = {f"{page.folder}/{page.file}": page.text for page in manual.all_pages()}


def plain(source: str) -> str:
    """What of a page's source a reader sees, as far as words matter."""
    text = re.sub(r"\\f[BIR]|\\&", "", source)
    for code, letter in (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\(ti", "~"), ("\\e", "\\")):
        text = text.replace(code, letter)
    return re.sub(r"^\.(TH|SH|SS|TP|PP|IP|nf|fi|RS|RE|br|nh|ad)\b", "", text, flags=re.MULTILINE)


def terms(source: str, heading: str) -> list[str]:
    """The words that a section explains."""
    section = source.partition(f'.SH "{heading}"\n')[2].partition("\n.SH")[0]
    return [plain(term) for term in re.findall(r"^\.TP\n(.*)$", section, re.MULTILINE)]


def test_there_is_each_page_in_each_language():
    assert sorted(PAGES) == [
        "de/man5/taskserver.toml.5",
        "de/man8/task_server.8",
        "man5/taskserver.toml.5",
        "man8/task_server.8",
    ]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("linter", LINTERS)
def test_no_reader_complains_of_a_page(tmp_path, page, linter):
    command, package = LINTERS[linter]
    if not shutil.which(command[0]):
        pytest.skip(f"needs the Debian package {package}")
    file = tmp_path / "page"
    file.write_text(PAGES[page])

    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stderr, done.stdout if linter == "mandoc" else "") == (0, "", "")


@pytest.mark.skipif(not shutil.which("lexgrog"), reason="needs the Debian package man-db")
@pytest.mark.parametrize("page", PAGES)
def test_apropos_finds_a_page(tmp_path, page):
    file = tmp_path / "page"
    file.write_text(PAGES[page])

    said = subprocess.run(["lexgrog", str(file)], capture_output=True, text=True, check=True).stdout

    name = page.rpartition("/")[2].rpartition(".")[0]
    assert f'"{name} - ' in said
    assert "[u" not in said


def test_the_sections_are_those_of_a_manual_page_in_their_order():
    assert re.findall(r'^\.SH "(.*)"$', PAGES["man8/task_server.8"], re.MULTILINE) == list(HEADINGS)


@pytest.mark.parametrize("language", ["", "de/"])
def test_every_command_is_there_with_its_options_and_examples(language):
    source = PAGES[f"{language}man8/task_server.8"]
    sections = {
        plain(title): plain(body)
        for title, body in re.findall(r'^\.SS "(.*)"\n((?:(?!\.S[SH]).*\n)*)', source, re.M)
    }

    for path, command in commands():
        words = path.removeprefix("task_server").strip()
        if not words:
            continue
        title = next((each for each in sections if re.match(rf"{re.escape(words)}( [^a-z].*)?$", each)), None)
        assert title is not None, path
        for example in command.examples:
            assert example in sections[title], example
        for option in command.params:
            if isinstance(option, click.Option):
                common = option.name in ("config", "json", "lang")
                body = plain(source) if common else sections[title]
                assert all(name in body for name in option.opts), (path, option.opts)


def test_every_global_option_is_there():
    known = dict(commands())["task_server"]
    told = " ".join(terms(PAGES["man8/task_server.8"], "OPTIONS"))

    for option in known.params:
        assert all(name in told for name in option.opts), option.opts


@pytest.mark.parametrize(("language", "heading"), [("", "EXIT STATUS"), ("de/", "EXIT-CODES")])
def test_every_exit_code_is_there(language, heading):
    codes = sorted(value for name, value in vars(errors).items() if name.startswith("EXIT_"))

    assert [int(term) for term in terms(PAGES[f"{language}man8/task_server.8"], heading)] == codes


def test_every_signal_that_the_daemon_hears_is_there():
    from taskserver.daemon import signals

    told = ", ".join(terms(PAGES["man8/task_server.8"], "SIGNALS")).split(", ")

    assert sorted(told) == sorted(number.name for number in signals.HANDLED)


@pytest.mark.parametrize(("language", "heading"), [("", "KEYS"), ("de/", "SCHL\\(:USSEL")])
def test_every_configuration_key_is_there_in_its_order(language, heading):
    keys = [
        key for model in (ServerSettings, NotifyOnFailure, MemoryLimits, CommandSettings) for key in kinds(model)
    ]

    assert terms(PAGES[f"{language}man5/taskserver.toml.5"], heading) == keys


def test_the_program_prints_what_install_puts_in_place(program):
    assert program("man").out == PAGES["man8/task_server.8"]
    assert program("--lang", "de", "man", "taskserver.toml").out == PAGES["de/man5/taskserver.toml.5"]
    assert program("man", "--json").json == {
        "page": "task_server",
        "section": 8,
        "text": PAGES["man8/task_server.8"],
    }
    assert program("man", "nothing").code == 2


@pytest.mark.skipif(not shutil.which("groff"), reason="needs the Debian package groff")
def test_odd_words_are_shown_as_they_are():
    page = Roff("ODD", 1, date="2026-11-29", source="x", manual="x")
    page.heading("ODD")
    odd = [".dot 'quote' \\back `tick` ^ ~ \"double\" -minus --option über 東京 {a} $HOME %s"]
    page.example(odd)

    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8"], input=str(page), capture_output=True, text=True, check=True
    )

    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    assert odd[0] in shown
    assert done.stderr == ""
