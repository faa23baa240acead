"""The documentation names everything that there is, and what it shows works."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from german_catalogue import commands

from taskserver import errors
from taskserver.config import CommandSettings, ConsoleSettings, NotifyOnFailure, load
from taskserver.config.models import MemoryLimits, ServerSettings, kinds
from taskserver.database.schema import metadata
from taskserver.jobs import Misfire, OnCrash, Overlap, Reason, RunStatus, Status
from taskserver.tasks import Registry

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "examples/**/*.md")


def pages(root: Path) -> list[Path]:
    return [page for pattern in PAGES for page in root.glob(pattern)]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def shown_commands(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of the control program in a console block: the line, and its arguments."""
    for page in pages(root):
        for block in blocks(page, "console"):
            for line in re.findall(r"^[$#] .*?(?:scripts/task_server\.py|task_server) (.*)", block, re.MULTILINE):
                yield line, shlex.split(line, comments=True)


def command_of(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the arguments name, and what is left of them."""
    known = dict(commands())
    path = next(iter(known))
    rest = arguments
    while rest and rest[0].startswith("-"):
        rest = rest[2 if rest[0] in ("-c", "--lang") else 1 :]
    while rest and f"{path} {rest[0]}" in known:
        path, rest = f"{path} {rest[0]}", rest[1:]
    return known[path], rest


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_command_is_in_the_readme(root: Path) -> None:
    rows = re.findall(r"^\| (`.+?) \|", (root / "README.md").read_text(), re.MULTILINE)
    named = [{word for span in re.findall(r"`(.+?)`", row) for word in span.split()} for row in rows]

    missing = [path for path, _ in commands() if not any(set(path.split()[1:]) <= words for words in named)]

    assert missing == []


def test_commands_shown_exist_with_their_options(root: Path) -> None:
    shown = list(shown_commands(root))

    assert len(shown) > 15
    for line, arguments in shown:
        command, rest = command_of(arguments)
        runs_itself = isinstance(command, click.Group) and command.invoke_without_command
        assert (
            not isinstance(command, click.Group)
            or runs_itself
            or {"-f", "--run-job"} & {each.split("=")[0] for each in arguments}
        ), line
        given = {word.partition("=")[0] for word in rest if re.match(r"-[-a-z]", word)}
        assert given <= options_of(command), line


@pytest.mark.parametrize(
    "model", [ServerSettings, ConsoleSettings, NotifyOnFailure, MemoryLimits, CommandSettings]
)
def test_every_configuration_key_is_documented(root: Path, model: type[ServerSettings]) -> None:
    shipped = (root / "etc" / "taskserver.toml").read_text()

    for key in kinds(model):
        assert re.search(rf"^# {key} = ", shipped, re.MULTILINE), key


@pytest.mark.parametrize("values", [Status, RunStatus, Reason])
def test_every_status_and_reason_is_in_the_glossary(root: Path, values: type[Status]) -> None:
    glossary = (root / "docs" / "glossary.md").read_text()

    for value in values:
        assert f"`{value}`" in glossary


@pytest.mark.parametrize("values", [Misfire, Overlap, OnCrash])
def test_every_choice_is_documented(root: Path, values: type[Misfire]) -> None:
    text = "".join(page.read_text() for page in pages(root)) + (root / "etc" / "taskserver.toml").read_text()

    for value in values:
        assert re.search(rf"\b{value}\b", text)


def test_every_exit_code_is_in_the_readme(root: Path) -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    rows = re.findall(r"^\| ([\d, ]+) \|", (root / "README.md").read_text(), re.MULTILINE)

    assert {int(code) for row in rows for code in row.split(",")} == codes


def test_every_column_that_a_writer_may_give_is_one(root: Path) -> None:
    text = (root / "docs" / "sql.md").read_text()
    table = text.partition("| column |")[2].partition("\n\n")[0]

    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert len(named) > 10
    assert named <= set(metadata.tables["jobs"].columns.keys())


def test_links_lead_somewhere(root: Path) -> None:
    for page in pages(root):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"


def test_every_promise_of_the_threat_model_names_tests_that_there_are(root: Path) -> None:
    text = (root / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:\w+/)+test_\w+\.py)`", text))
    promises = text.partition("\n## By which mechanism\n")[2].partition("\n## ")[0].splitlines()
    rows = [row for row in promises if row.startswith("| ") and not row.startswith("| promise |")]

    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`(?:\w+/)+test_\w+\.py`", row)] == []
    assert [name for name in sorted(named) if not (root / "tests" / name).exists()] == []


def test_what_passes_from_roots_environment_is_documented(root: Path) -> None:
    from taskserver.daemon.environment import PASSED

    text = (root / "docs" / "security.md").read_text()

    assert [name for name in PASSED if f"`{name}`" not in text] == []


def test_decisions_are_numbered_and_listed(root: Path) -> None:
    folder = root / "docs" / "adr"
    decisions = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "README.md").read_text(), re.MULTILINE)

    assert [path.name[:5] for path in decisions] == [f"{number:04}-" for number in range(1, len(decisions) + 1)]
    assert listed == [(path.read_text().splitlines()[0].removeprefix("# "), path.name) for path in decisions]
    assert all(title.startswith(f"{number}. ") for number, (title, _) in enumerate(listed, 1))


def test_the_tasks_shown_in_the_readme_load(root: Path, tmp_path: Path) -> None:
    source = next(block for block in blocks(root / "README.md", "python") if "@task" in block)
    (tmp_path / "readme_tasks.py").write_text(source)
    tables = "\n".join(block for block in blocks(root / "README.md", "toml") if "[tasks." in block)
    config = tmp_path / "taskserver.toml"
    config.write_text(f'[task_server]\nmodules = ["readme_tasks"]\npython_path = ["{tmp_path}"]\n{tables}')

    settings = load(config)
    registry = Registry.load(modules=settings.modules, python_path=settings.python_path, commands=settings.tasks)

    assert {"letters.send", "disk-usage"} <= set(registry.names())


def test_the_configuration_shown_in_the_readme_is_toml(root: Path) -> None:
    for block in blocks(root / "README.md", "toml"):
        assert tomllib.loads(block)
