"""What every call of the control program has in common: its language, its errors, its exit codes, its costs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CALL = "import sys; from taskserver.cli import main; sys.exit(main())"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-c", CALL, *arguments],
        text=True,
        env=environment,
        timeout=60,
        check=False,
        **{"capture_output": True, **options}
        if "stdout" not in options
        else {"stderr": subprocess.PIPE, **options},
    )


def test_without_a_command_the_usage_is_shown_and_the_exit_code_is_2(program):
    result = program()

    assert result.code == 2
    assert "Usage: task_server" in result.err
    assert result.out == ""


def test_an_unknown_action_exits_with_2_and_suggests_the_nearest(program):
    result = program("statsu")

    assert result.code == 2
    assert "there is no command 'statsu'; did you mean 'status'?" in result.err


def test_an_unknown_option_exits_with_2_and_suggests_the_nearest(program):
    result = program("version", "--jsn")

    assert result.code == 2
    assert "'--json'" in result.err


def test_an_unknown_command_of_a_group_exits_with_2(program):
    result = program("job", "lst")

    assert result.code == 2
    assert "did you mean 'list'?" in result.err


@pytest.mark.parametrize("arguments", [("--json", "version"), ("version", "--json")])
def test_json_may_stand_before_and_after_the_command(program, arguments):
    assert set(program(*arguments).json) == {"version", "python"}


def test_config_may_stand_before_and_after_the_command(program, task_server):
    before = program("-c", str(task_server.config), "job", "list", "--json")
    after = program("job", "list", "-c", str(task_server.config), "--json")

    assert (before.code, before.out) == (after.code, after.out) == (0, "[]\n")


@pytest.mark.parametrize(
    "arguments", [("--lang", "de", "help"), ("help", "--lang=de"), ("--help", "--lang", "de")]
)
def test_lang_counts_wherever_it_stands(program, arguments):
    assert "Verwendung: task_server" in program(*arguments).out


def test_the_locale_decides_about_the_language_unless_lang_does(program, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    assert "Verwendung:" in program("help").out
    assert "Usage:" in program("--lang", "en", "help").out


def test_usage_errors_are_translated_and_leave_no_language_behind(program):
    german = program("--lang", "de", "job", "show", "x")
    english = program("job", "show", "x")

    assert "Fehler: " in german.err
    assert "Error: Invalid value" in english.err
    assert "LANGUAGE" not in os.environ


def test_a_missing_configuration_exits_with_6(program, tmp_path):
    result = program("-c", str(tmp_path / "none.toml"), "job", "list")

    assert result.code == 6
    assert result.err.startswith("task_server: ")
    assert str(tmp_path / "none.toml") in result.err


def test_errors_are_text_on_stderr_also_with_json(task_server):
    result = task_server("job", "show", "4711", "--json")

    assert result.code == 153
    assert result.out == ""
    assert result.err == "task_server: there is no job 4711\n"


def test_a_database_that_is_not_there_yet_exits_with_154_and_says_what_makes_it(empty_installation):
    result = empty_installation("job", "list")

    assert result.code == 154
    assert "db upgrade" in result.err
    assert not empty_installation.database.exists()


def test_an_unexpected_error_is_one_sentence(task_server, monkeypatch):
    monkeypatch.setattr("taskserver.store.Store.open", _explode)

    result = task_server("job", "list")

    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "RuntimeError: out of order" in result.err


def test_an_unexpected_error_shows_its_traceback_if_asked(task_server, monkeypatch):
    monkeypatch.setattr("taskserver.store.Store.open", _explode)
    monkeypatch.setenv("TASKSERVER_TRACEBACK", "1")

    assert "Traceback (most recent call last)" in task_server("job", "list").err


def test_an_interrupt_exits_with_130(task_server, monkeypatch):
    monkeypatch.setattr("taskserver.store.Store.open", _interrupt)

    result = task_server("job", "list")

    assert result.code == 130
    assert result.err == "task_server: interrupted\n"


def test_letters_that_the_terminal_lacks_do_not_end_the_program(task_server):
    task_server.ok("client", "add", "acme", "--title", "Größe → 東京")

    result = run("-c", str(task_server.config), "client", "list", env={"PYTHONIOENCODING": "ascii"})

    assert result.returncode == 0
    assert "acme" in result.stdout


def test_nothing_steers_the_terminal(task_server):
    task_server.ok("job", "add", "sample", "--title", "red \x1b[31m alert")

    assert "\x1b" not in task_server.ok("job", "list").out


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("stop",), ("wake",), ("help",), ("help", "job", "add"), ("version",), ("completion", "bash")],
)
def test_light_commands_import_nothing_heavy(arguments, empty_installation):
    heavy = ("sqlalchemy", "pydantic", "rich", "alembic", "croniter", "jsonschema", "psycopg")
    listing = f"print(*(name for name in {heavy} if name in sys.modules), file=sys.stderr)"
    script = f"import sys; from taskserver.cli import main; main(sys.argv[1:]); print(file=sys.stderr); {listing}"

    command = [sys.executable, "-c", script, "-c", str(empty_installation.config), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert result.stderr.splitlines()[-1] == ""


def test_commands_on_jobs_import_what_the_database_needs_and_no_more(task_server):
    unneeded = ("alembic", "croniter", "jsonschema", "psycopg", "taskserver.cron.german", "taskserver.executors")
    listing = f"print(*(name for name in {unneeded} if name in sys.modules), file=sys.stderr)"
    script = f"import sys; from taskserver.cli import main; main(sys.argv[1:]); print(file=sys.stderr); {listing}"

    command = [sys.executable, "-c", script, "-c", str(task_server.config), "job", "list"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert result.stderr.splitlines()[-1] == ""


def test_the_installation_of_a_clone_slows_no_call_down():
    """setuptools' finder for editable installations would be imported with every start of Python."""
    script = "import sys; print([name for name in sys.modules if name.startswith('__editable__')])"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"


def test_every_command_has_help_with_an_example(program):
    from german_catalogue import commands

    for path, command in commands():
        assert command.help, path
        assert getattr(command, "examples", ()), path
        for example in command.examples:
            assert "task_server" in example, path


def test_every_example_names_commands_and_options_that_there_are():
    import shlex

    import click
    from german_catalogue import commands

    known = dict(commands())
    for path, command in known.items():
        for example in command.examples:
            words = shlex.split(example.partition(" > ")[0].removeprefix('eval "$(').removesuffix(')"'))
            words = [word for word in words[1:] if not word.startswith("--run-job") and word != "-f"]
            target, ctx = known["task_server"], click.Context(known["task_server"])
            while isinstance(target, click.Group) and words:
                target = target.get_command(ctx, words.pop(0))
                assert target is not None, (path, example)
            options = {
                name for parameter in target.params for name in (*parameter.opts, *parameter.secondary_opts)
            }
            for word in words:
                if word.startswith("--"):
                    assert word in options, (path, example, word)


@pytest.mark.parametrize("arguments", [("help", "job", "add"), ("job", "add", "--help"), ("job", "add", "-h")])
def test_help_shows_a_command_with_its_options_and_examples(program, arguments):
    result = program(*arguments)

    assert result.code == 0
    assert "Usage: task_server job add [OPTIONS] TASK [NAME=VALUE]..." in result.out
    assert "--unique-key" in result.out
    assert "Examples:" in result.out


def test_help_of_an_unknown_command_exits_with_2(program):
    assert program("help", "jbo").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(program, shell):
    result = program("completion", shell)

    assert result.code == 0
    assert "_TASK_SERVER_COMPLETE" in result.out


@pytest.mark.parametrize(
    ("arguments", "key"), [(("help", "job", "add"), "help"), (("completion", "bash"), "script")]
)
def test_texts_are_one_document_with_json(program, arguments, key):
    assert program(*arguments, "--json").json == {key: program(*arguments).out.removesuffix("\n")}


def test_the_shell_completes_commands_statuses_and_task_names(task_server, node):
    def complete(*words: str) -> str:
        words = ("task_server", "-c", str(task_server.config), *words)
        environment = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return run(env={**environment, "_TASK_SERVER_COMPLETE": "bash_complete"}).stdout

    assert "plain,schedule" in complete("sch")
    assert complete("job", "list", "--status", "f").split() == ["plain,finished", "plain,failed"]
    assert complete("job", "add", "sa").split() == ["plain,sample"]


def _explode(*_arguments: object, **_options: object) -> None:
    raise RuntimeError("out\nof order")


def _interrupt(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("option", ["-f", "--run-job=1"])
@pytest.mark.parametrize("command", [("status",), ("stop",), ("job", "list"), ("version",)], ids=" ".join)
def test_an_option_of_start_is_refused_with_another_command(program, option, command):
    result = program(option, *command)

    assert (result.code, result.out) == (2, "")
    assert f"{option.partition('=')[0]} goes with start, not with {command[0]}" in result.err


def test_a_command_that_does_not_exist_is_told_before_an_option_that_does_not_belong(program):
    assert "there is no command 'stats'; did you mean" in program("-f", "stats").err
