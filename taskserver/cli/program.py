"""One call of the control program from its arguments to its exit code.

Turns whatever goes wrong into one sentence on stderr and the exit code of the contract: an operator's mistake,
wrong usage, Ctrl-C, a closed pipe, a full disk. Knows no command.
"""

from __future__ import annotations

import gettext
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

import taskserver
from taskserver.cli.output import note, printable
from taskserver.cli.streams import open_standard_streams, outputs
from taskserver.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, TaskServerError
from taskserver.texts import LANGUAGES, language, language_of_locale, system_words, translate, use_language

COMPLETE_VARIABLE = "_TASK_SERVER_COMPLETE"


class StateCode(int):
    """An exit code that is the answer itself: it stands also where the output can't be written."""


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name; the exit code is for sys.exit."""
    open_standard_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    use_language(wanted_language(arguments))
    _never_fail_at_a_character()
    with _click_in_this_language(), outputs() as (out, err):
        try:
            code = _invoke(arguments)
        except OSError as error:
            code = EXIT_OK if error is out.failure else _cannot_go_on(error)
        failure = out.finish()
        if failure is not None and not isinstance(failure, BrokenPipeError):  # a reader may have seen enough
            code = _output_failed(failure, code)
        err.finish()
        return int(code)


def wanted_language(arguments: Sequence[str]) -> str:
    """The language of `--lang`, wherever it stands before `--`; else the locale's.

    It is looked up ahead of the parser, so that the parser's own messages are in it.
    """
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        name, equals, value = argument.partition("=")
        if name == "--lang":
            wanted = value if equals else next(iter(arguments[position + 1 :]), "")
            return wanted if wanted in LANGUAGES else language_of_locale()
    return language_of_locale()


def _invoke(arguments: list[str]) -> int:
    """The command's exit code; every error but one of the operating system has been told by then."""
    try:
        return _call(arguments)
    except (click.exceptions.Exit, SystemExit) as leaving:
        return _code(leaving.exit_code if isinstance(leaving, click.exceptions.Exit) else leaving.code)
    except (KeyboardInterrupt, click.Abort):
        return _fail(translate("interrupted"), EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TaskServerError as error:
        return _fail(error.message(), error.exit_code)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 the program's edge: a person gets a sentence, not a traceback
        return _unexpected(error)


def _call(arguments: list[str]) -> int:
    from taskserver.cli.group import PROGRAM, TELL_STATE, task_server

    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(task_server, {}, PROGRAM, COMPLETE_VARIABLE, instruction)
    if not arguments:
        print(task_server.get_help(click.Context(task_server, info_name=PROGRAM)), file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    with task_server.make_context(PROGRAM, arguments) as ctx:
        code = _code(task_server.invoke(ctx))
        return StateCode(code) if ctx.invoked_subcommand in TELL_STATE else code


def _code(returned: object) -> int:
    if isinstance(returned, str):
        return _fail(returned)
    return int(returned) if isinstance(returned, int) else EXIT_OK


def _fail(message: str, code: int = EXIT_ERROR) -> int:
    note(printable(f"task_server: {message}"))  # it may quote another user's words
    return code


def _cannot_go_on(error: OSError) -> int:
    _show_traceback(error)
    return _fail(translate("cannot go on: {error}", error=_sentence(error)))


def _output_failed(failure: OSError, code: int) -> int:
    """Says what became of the output; a command that has succeeded has failed in this alone."""
    if code != EXIT_OK or isinstance(code, StateCode):
        return _fail(translate("the output can't be written: {error}", error=_sentence(failure)), code)
    return _fail(
        translate("the command succeeded, but the output can't be written: {error}", error=_sentence(failure))
    )


def _unexpected(error: Exception) -> int:
    _show_traceback(error)
    return _fail(
        translate(
            "unexpected error: {kind}: {error} (TASKSERVER_TRACEBACK=1 shows where)",
            kind=type(error).__name__,
            error=_sentence(error),
        )
    )


def _show_traceback(error: Exception) -> None:
    if os.environ.get("TASKSERVER_TRACEBACK", "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        words = system_words(error.strerror)
        return f"{words}: {error.filename}" if error.filename else words
    return " ".join(str(error).split())


def _never_fail_at_a_character() -> None:
    """A character that the terminal's encoding lacks is shown as `?` and never ends the program."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


@contextmanager
def _click_in_this_language() -> Iterator[None]:
    """click asks gettext's global domain for its messages; for German it finds ours there."""
    if language() != "de":
        yield
        return
    domain, languages = gettext.textdomain(), os.environ.get("LANGUAGE")
    gettext.bindtextdomain("taskserver", str(Path(taskserver.__file__).parent / "locale"))
    gettext.textdomain("taskserver")
    os.environ["LANGUAGE"] = "de"
    try:
        yield
    finally:
        gettext.textdomain(domain)
        if languages is None:
            del os.environ["LANGUAGE"]
        else:
            os.environ["LANGUAGE"] = languages
