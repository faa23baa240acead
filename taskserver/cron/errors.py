"""What is wrong with a cron expression or a time zone, in one sentence that says what to write instead.

Raised by this package alone; the control program shows `message()`. Nothing here knows the grammar: whoever
raises passes the pieces.
"""

from __future__ import annotations

from typing import Any

from taskserver.errors import UsageError
from taskserver.texts import mark, translate


class Phrase:
    """A piece of a sentence that is put into the reader's language only when it is shown."""

    def __init__(self, text: str, **fields: Any) -> None:
        self._text = text
        self._fields = fields

    def __str__(self) -> str:
        return self._text.format(**self._fields) if self._text else ""

    def message(self) -> str:
        """The piece in the language in use."""
        fields = {
            name: field.message() if isinstance(field, Phrase) else field for name, field in self._fields.items()
        }
        return translate(self._text).format(**fields)


NOTHING = Phrase("")
_MOST_SHOWN = 120


def suggestion(text: str) -> Phrase:
    """`; did you mean 'x'?`"""
    return Phrase(mark("; did you mean {suggestion!r}?"), suggestion=text)


class InvalidSchedule(UsageError):
    """A cron expression that is not one. `spec` is its text, `field` the name of the field at fault or None."""

    text = mark("cron expression {spec!r}: {why}{advice}")
    field: str | None = None
    part: str | None = None

    def __init__(self, spec: str, why: Phrase, advice: Phrase = NOTHING, **fields: Any) -> None:
        self.spec = spec
        shown = spec if len(spec) <= _MOST_SHOWN else f"{spec[:_MOST_SHOWN]}…"
        super().__init__(spec=shown, why=why, advice=advice, **fields)

    def message(self) -> str:
        """The sentence with all of its pieces in the language in use."""
        return Phrase(self.text, **self.fields).message()


class InvalidField(InvalidSchedule):
    """One field at fault: `field` is its name in English, `part` the text in it that is not understood."""

    text = mark("cron expression {spec!r}: {field} {part!r} {why}; allowed are {allowed}{advice}")

    def __init__(
        self, spec: str, why: Phrase, advice: Phrase = NOTHING, *, field: str, part: str, allowed: str
    ) -> None:
        self.field = field
        self.part = part[:_MOST_SHOWN]
        super().__init__(spec, why, advice, field=Phrase(field), part=self.part, allowed=Phrase(allowed))


class InvalidTimeZone(UsageError):
    """A name that the time zone database does not have."""

    text = mark("there is no time zone {name!r}{advice}; names look like 'Europe/Berlin' or 'UTC'")

    def __init__(self, name: str, near: str | None) -> None:
        self.name = name
        super().__init__(name=name, advice=suggestion(near) if near else NOTHING)

    def message(self) -> str:
        """The sentence with its suggestion in the language in use."""
        return Phrase(self.text, **self.fields).message()
