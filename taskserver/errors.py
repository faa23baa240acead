"""The base of every error that is somebody's to mend: an operator's, a developer's, a database's.

An error class owns its sentence (`text`, with its fields in braces) and its exit code; `str(error)` is English,
for logs; `error.message()` is in the reader's language, for people. Errors that one layer alone raises live in
that layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar

from taskserver.texts import mark, system_words, translate

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_UNIMPLEMENTED = 3
EXIT_NOT_ALLOWED = 4
EXIT_NOT_INSTALLED = 5
EXIT_NOT_CONFIGURED = 6
EXIT_NOT_RUNNING = 7
EXIT_INTERRUPTED = 130
EXIT_JOB_FAILED = 150
EXIT_TIMED_OUT = 151
EXIT_JOB_STOPPED = 152
EXIT_NOT_FOUND = 153
EXIT_NEEDS_UPGRADE = 154


class TaskServerError(Exception):
    """An error with one clear sentence. Subclasses set `text` and `exit_code` and pass the fields by name."""

    text: ClassVar[str] = mark("the task server failed")
    exit_code: ClassVar[int] = EXIT_ERROR

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.text.format(**fields))

    def message(self) -> str:
        """The sentence in the language in use; a field that is itself an error is shown in it too.

        So is a `reason` that is the operating system's.
        """
        fields = {name: _in_this_language(name, field) for name, field in self.fields.items()}
        return translate(self.text).format(**fields)


def _in_this_language(name: str, field: Any) -> Any:
    if isinstance(field, TaskServerError):
        return field.message()
    return system_words(field) if name == "reason" and isinstance(field, str) else field


class UsageError(TaskServerError):
    """The caller's words are off: exit code 2."""

    exit_code = EXIT_USAGE


class NotFound(TaskServerError):
    """What was asked for does not exist: exit code 153."""

    exit_code = EXIT_NOT_FOUND


class NotAllowed(TaskServerError):
    """The caller may not do this: exit code 4."""

    exit_code = EXIT_NOT_ALLOWED


class NotConfigured(TaskServerError):
    """The configuration is missing or wrong: exit code 6."""

    exit_code = EXIT_NOT_CONFIGURED


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name nearest to `name`, or an empty text if none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return translate("; did you mean {name!r}?", name=near[0]) if near else ""
