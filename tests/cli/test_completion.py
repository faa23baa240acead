"""Completion as the shells do it: their own machinery, our scripts, a real database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "task_server.py"

BASH = """
. "$1"
COMP_WORDS=("${@:2}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
$(complete -p "${2##*/}" | sed 's/.*-F \\([^ ]*\\) .*/\\1/') "$2" "${COMP_WORDS[$COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'fpath=('"$1"' $fpath); autoload -Uz compinit; compinit -D -u'
zpty -w shell 'echo PREPARED-$((1+1))'
zpty -m -r shell ignored '*PREPARED-2*'
zpty -w -n shell "$2"$'\\t'
zpty -m -r shell said '*schedule*'
print -r -- $said
"""


@pytest.fixture
def environment(task_server) -> dict[str, str]:
    """The configuration comes by the environment, so that the words are those that people type."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "TASKSERVER_CONFIG": str(task_server.config)}


@pytest.fixture
def on_path(environment, tmp_path) -> dict[str, str]:
    """The same, with `task_server` installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "task_server").symlink_to(SCRIPT)
    return {**environment, "PATH": f"{tmp_path}/bin:{environment['PATH']}"}


@pytest.fixture
def script(program, tmp_path):
    """The completion script of a shell, as install puts it in place."""

    def write(shell: str, name: str) -> Path:
        file = tmp_path / "completions" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(program("completion", shell).out)
        return file

    return write


def call(command: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False
    )
    assert done.stderr == "", done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs the Debian package bash")
@pytest.mark.parametrize("name", ["task_server", "scripts/task_server.py"])
def test_bash_completes_commands_under_both_names(script, on_path, name):
    file = str(script("bash", "task_server"))

    assert call(["bash", "-c", BASH, "bash", file, name, "sch"], on_path) == ["schedule"]
    assert call(["bash", "-c", BASH, "bash", file, name, "job", "list", "--status", "f"], on_path) == [
        "finished",
        "failed",
    ]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs the Debian package bash")
def test_bash_completes_what_is_in_the_database_and_quotes_it(script, on_path, task_server, node):
    task_server.ok("client", "add", "acme")
    task_server.ok("schedule", "add", "weekly letters", "sample", "--cron", "@weekly")
    task_server.ok("job", "add", "sample")
    file = str(script("bash", "task_server"))

    def complete(*words: str) -> list[str]:
        return call(["bash", "-c", BASH, "bash", file, "task_server", *words], on_path)

    assert complete("job", "add", "s") == ["sample"]
    assert complete("client", "show", "a") == ["acme"]
    assert complete("job", "list", "--client", "a") == ["acme"]
    assert complete("schedule", "show", "w") == ["weekly\\ letters"]
    assert complete("job", "list", "--entry", "w") == ["weekly\\ letters"]
    assert complete("job", "show", "") == ["2"]


@pytest.mark.skipif(not shutil.which("fish"), reason="needs the Debian package fish")
@pytest.mark.parametrize("name", ["task_server", "scripts/task_server.py"])
def test_fish_completes_and_explains(script, on_path, task_server, node, name):
    file = script("fish", "task_server.fish")
    task_server.ok("job", "add", "sample", "--title", "Letters, all of them")

    def complete(line: str) -> list[str]:
        return call(["fish", "--no-config", "-c", f"source {file}; complete -C '{name} {line}'"], on_path)

    assert complete("sched")[0].startswith("schedule\tAdds, shows")
    assert complete("job show ") == ["1\tLetters, all of them: waiting"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs the Debian package zsh")
@pytest.mark.parametrize("name", ["task_server", "scripts/task_server.py"])
def test_zsh_completes_from_its_function_path(script, on_path, name):
    folder = script("zsh", "_task_server").parent

    said = "\n".join(call(["zsh", "-f", "-c", ZSH, "zsh", str(folder), f"{name} sched"], on_path))

    assert f"{name} schedule" in said


def answer(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What the program answers a shell; who it was in the end, and what it has imported."""
    listing = "print(os.geteuid(), *sorted(sys.modules), file=sys.stderr)"
    code = f"import os, sys; from taskserver.cli import main; code = main([]); {listing}; sys.exit(code)"
    words = ("task_server", *words)
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**environment, **asked, "_TASK_SERVER_COMPLETE": "bash_complete"},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", [("job", "add", "s"), ("client", "show", "d"), ("job", "show", "")])
def test_a_word_from_a_file_costs_no_heavy_import_and_imports_no_task(environment, task_server, node, words):
    task_server.config.write_text(task_server.config.read_text() + 'modules = ["nowhere"]\n')
    task_server.ok("--lang", "en", "version")

    done = answer(environment, *words)

    imported = set(done.stderr.split())
    assert not imported & {"sqlalchemy", "pydantic", "rich", "croniter", "jsonschema", "taskserver.tasks"}
    assert done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_leaves_nothing_of_its_own_in_a_users_directory(environment, task_server, node):
    node.close()
    users = task_server.database.parent
    for place in (users, *users.iterdir()):
        os.chown(place, 65534, 65534)
    for place in users.glob("*-*"):
        place.unlink()
    for folder in users.parents:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)

    done = answer(environment, "job", "add", "s")

    assert "plain,sample" in done.stdout
    assert {place.stat().st_uid for place in users.iterdir()} == {65534}
    assert "65534" in done.stderr.split()


def test_names_that_would_steer_the_terminal_are_not_offered(environment, task_server, node):
    task_server.ok("client", "add", "acme", "--title", "A\x1b[31m")
    assert answer(environment, "client", "show", "a").stdout.split() == ["plain,acme"]


@pytest.mark.parametrize("text", ["[task_server\n", "[task_server]\ndatabase = 7\n", ""])
def test_beside_a_faulty_configuration_nothing_is_offered_and_nothing_is_said(environment, task_server, text):
    task_server.config.write_text(text)

    done = answer(environment, "job", "add", "s")

    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert "Traceback" not in done.stderr
