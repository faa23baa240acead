"""The repository's top level, its scripts and its layers."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

TOP_LEVEL = {
    *("taskserver", "scripts", "etc", "tests", "docs", "examples", "benchmarks", ".ci", ".gitignore"),
    *("setup.cfg", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
}
SHELL_SCRIPTS = (
    "scripts/quickstart",
    "scripts/test",
    "scripts/environment.sh",
    "scripts/boot/system-v/task-server",
)


def test_the_top_level_holds_what_was_agreed_and_nothing_else(root: Path, ignored: tuple[str, ...]) -> None:
    found = {path.name for path in root.iterdir()}

    belonging = {name for name in found if not any(fnmatch(name, pattern) for pattern in ignored)}

    assert belonging == TOP_LEVEL


def test_every_layer_imports_only_layers_below_it(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([linter, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_every_module_says_what_it_is_for(root: Path) -> None:
    modules = [*root.glob("taskserver/**/*.py")]

    silent = [module for module in modules if not ast.get_docstring(ast.parse(module.read_text()))]

    assert len(modules) > 100
    assert silent == []


def test_continuous_integration_runs_the_gate_that_everybody_runs(root: Path) -> None:
    commands = (root / ".ci" / "run").read_text().splitlines()

    assert commands[0] == "#!/bin/bash"
    assert commands[-1] == "exec ./scripts/test"


def test_the_gate_leaves_nothing_out(root: Path) -> None:
    gate = (root / "scripts" / "test").read_text()

    for step in (
        "gate ruff check .",
        "gate ruff format --check .",
        "gate mypy\n",
        ".venv/bin/lint-imports",
        "gate pytest",
    ):
        assert step in gate


@pytest.mark.parametrize("script", ["scripts/quickstart", "scripts/test", "scripts/task_server.py", ".ci/run"])
def test_commands_can_be_executed(root: Path, script: str) -> None:
    assert (root / script).stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("script", SHELL_SCRIPTS)
@pytest.mark.parametrize(
    ("checker", "package"),
    [
        (("dash", "-n"), "dash"),
        (("shellcheck", "--shell=sh"), "shellcheck"),
        (("checkbashisms", "--force", "--posix"), "devscripts"),
    ],
)
def test_shell_scripts_are_plain_sh(root: Path, script: str, checker: tuple[str, ...], package: str) -> None:
    if not shutil.which(checker[0]):
        pytest.skip(f"needs the Debian package {package}")

    done = subprocess.run([*checker, root / script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")
