"""The kinds of values that keys take: what may be written, what comes of it, and the sentence otherwise.

A kind stands in the annotation of a field of `models` and is called by pydantic, yet does not import it: `peek`
uses the same kinds. `parse` takes what TOML (or Python) has; `read` brings the text of an INI file into the form
that TOML would have; `write` is the way back.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskserver.config import database_url
from taskserver.config.faults import WrongValue, nearest, shown
from taskserver.config.machine import is_time_zone
from taskserver.templates import Template
from taskserver.texts import mark

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_LONGEST_LINE = 255
_UNLIMITED = ("", "none")
_FLAGS = {
    "1": True, "yes": True, "true": True, "on": True,
    "0": False, "no": False, "false": False, "off": False,
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "ms": 0.001}
_BYTES = {"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


class Kind:
    """One kind of value. Subclasses say what is right in `parse`; `optional`: an empty text means not set."""

    json: dict[str, Any] = {"type": "string"}  # noqa: RUF012  never changed

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def __call__(self, value: Any) -> Any:
        if self.optional and (value is None or value == ""):
            return None
        return self.parse(value)

    def parse(self, value: Any) -> Any:
        """The value as the program wants it. Raises WrongValue."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """The text of an INI file as TOML would have it; what fits no form comes back as it is."""
        return text

    def write(self, value: Any) -> Any:
        """A parsed value as TOML has it; None for what is not set."""
        return value

    def schema(self) -> dict[str, Any]:
        """The JSON schema of what may be written."""
        return dict(self.json)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self, handler(source))


class Flag(Kind):
    json = {"type": "boolean"}  # noqa: RUF012

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise WrongValue(mark("must be true or false, not {value}"), value=shown(value))

    def read(self, text: str) -> bool | str:
        return _FLAGS.get(text.lower(), text)


class WholeNumber(Kind):
    def __init__(self, least: int, most: int, *, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self.least, self.most = least, most

    def __call__(self, value: Any) -> int | None:
        if self.optional and (value is None or value in _UNLIMITED):
            return None
        return self.parse(value)

    def parse(self, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most:
            return value
        fields = {"least": self.least, "most": self.most, "value": shown(value)}
        if self.optional:
            raise WrongValue(
                mark('must be a whole number from {least} to {most} or "none", not {value}'), **fields
            )
        raise WrongValue(mark("must be a whole number from {least} to {most}, not {value}"), **fields)

    def read(self, text: str) -> int | str:
        return int(text) if _NUMBER.fullmatch(text) else text

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"enum": list(_UNLIMITED)}]} if self.optional else number


class Duration(Kind):
    """Seconds as a number, or a text with a unit: ms, s, m, h, d."""

    def __init__(self, least: float, most: float, *, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self.least, self.most = least, most

    def __call__(self, value: Any) -> timedelta | None:
        if self.optional and (value is None or value in _UNLIMITED):
            return None
        return self.parse(value)

    def parse(self, value: Any) -> timedelta:
        seconds = self._seconds(value)
        if seconds is not None and self.least <= seconds <= self.most:  # never true for nan
            return timedelta(seconds=seconds)
        raise WrongValue(
            mark('must be seconds from {least} to {most}, or a text as "90s", "10m", "2h" or "7d", not {value}'),
            least=_plain(self.least),
            most=_plain(self.most),
            value=shown(value),
        )

    def _seconds(self, value: Any) -> float | None:
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        match = re.fullmatch(rf"({_DECIMAL.pattern}) ?(ms|[smhd]?)", value) if isinstance(value, str) else None
        return float(match[1]) * _SECONDS[match[3]] if match else None

    def read(self, text: str) -> int | float | str:
        if _NUMBER.fullmatch(text):
            return int(text)
        return float(text) if _DECIMAL.fullmatch(text) else text

    def write(self, value: timedelta | None) -> int | float | None:
        return None if value is None else _plain(value.total_seconds())

    def schema(self) -> dict[str, Any]:
        text = r"^[0-9]+(\.[0-9]+)? ?(ms|[smhd]?)$"
        if self.optional:
            text = rf"{text}|^(none)?$"
        return {"anyOf": [{"type": "number", "minimum": self.least, "maximum": self.most}, {"pattern": text}]}


class Size(Kind):
    """Bytes as a number, or a text with KB, MB or GB (powers of 1024). With `optional` 0 means not set."""

    def __init__(self, least: int, most: int, *, optional: bool = False) -> None:
        super().__init__(optional=optional)
        self.least, self.most = least, most

    def __call__(self, value: Any) -> int | None:
        if self.optional and (value is None or value in _UNLIMITED):
            return None
        size = self._bytes(value)
        if self.optional and size == 0:
            return None
        if size is None or not self.least <= size <= self.most:
            raise WrongValue(
                mark(
                    'must be a number of bytes from {least} to {most}, or a text as "512 MB" (KB, MB, GB), '
                    "not {value}"
                ),
                least=self.least,
                most=self.most,
                value=shown(value),
            )
        return size

    def _bytes(self, value: Any) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        match = re.fullmatch(r"([0-9]{1,15}) *([KMG]B|)", value.upper()) if isinstance(value, str) else None
        return int(match[1]) * _BYTES[match[2]] if match else None

    def read(self, text: str) -> int | str:
        return int(text) if _NUMBER.fullmatch(text) else text

    def write(self, value: int | None) -> int | None:
        return 0 if value is None and self.optional else value

    def schema(self) -> dict[str, Any]:
        least = 0 if self.optional else self.least
        text = r"^[0-9]+ *([KMGkmg][Bb])?$|^(none)?$" if self.optional else r"^[0-9]+ *([KMGkmg][Bb])?$"
        return {"anyOf": [{"type": "integer", "minimum": least, "maximum": self.most}, {"pattern": text}]}


class Text(Kind):
    """One line of text. `pattern` with `wanted`, the sentence for what does not match it."""

    def __init__(
        self,
        *,
        pattern: str = "",
        wanted: str = "",
        optional: bool = False,
        empty: bool = False,
        lines: bool = False,
    ) -> None:
        super().__init__(optional=optional)
        self.pattern, self.wanted, self.empty, self.lines = pattern, wanted, empty, lines

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise WrongValue(mark("must be a text, not {value}"), value=shown(value))
        if not value and not self.empty:
            raise WrongValue(mark("must not be empty"))
        if len(value) > _LONGEST_LINE and not self.lines:
            raise WrongValue(mark("must not be longer than {most} characters"), most=_LONGEST_LINE)
        if self.lines:
            if not value.translate({9: None, 10: None}).isprintable():
                raise WrongValue(mark("must not hold control characters: {value}"), value=shown(value))
        elif not value.isprintable():
            raise WrongValue(mark("must be one line without control characters, not {value}"), value=shown(value))
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise WrongValue(self.wanted, value=shown(value))
        return value

    def schema(self) -> dict[str, Any]:
        if not self.pattern:
            return {"type": "string"}
        return {"type": "string", "pattern": f"^({self.pattern})$" + ("|^$" if self.optional else "")}


_LOOSE_BRACE = mark(
    "the text {argument} has a brace that belongs to no placeholder; a placeholder is a name in braces as in "
    "{{path}}, a brace itself is written twice"
)


class TemplateText(Text):
    """A text with placeholders."""

    def __init__(self) -> None:
        super().__init__(empty=True, lines=True)

    def parse(self, value: Any) -> str:
        if isinstance(value, str) and "\0" in value:
            raise WrongValue(mark("must not hold a NUL"))
        if not isinstance(value, str):
            raise WrongValue(mark("must be a text, not {value}"), value=shown(value))
        if Template.parse(value).loose:
            raise WrongValue(_LOOSE_BRACE, argument=shown(value))
        return value


class Choice(Kind):
    def __init__(self, *choices: str) -> None:
        super().__init__()
        self.choices = choices

    def parse(self, value: Any) -> str:
        if isinstance(value, str) and value in self.choices:
            return str(value)
        choices = ", ".join(self.choices)
        raise WrongValue(mark("must be one of {choices}, not {value}"), choices=choices, value=shown(value))

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


class TimeZone(Kind):
    def parse(self, value: Any) -> str:
        if isinstance(value, str) and is_time_zone(value):
            return value
        from zoneinfo import available_timezones

        near = nearest(value, available_timezones()) if isinstance(value, str) else None
        if near:
            raise WrongValue(
                mark("must be an IANA time zone, not {value}; did you mean {near!r}?"),
                value=shown(value),
                near=near,
            )
        raise WrongValue(mark("must be an IANA time zone as Europe/Berlin, not {value}"), value=shown(value))


class DatabaseUrl(Kind):
    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise WrongValue(
                mark("must be a database URL, as sqlite:////var/lib/tasks.sqlite or postgresql://HOST/NAME")
            )
        return database_url.normalised(value)

    def write(self, value: str) -> str:
        return database_url.hidden(value)


class FilePath(Kind):
    def parse(self, value: Any) -> Path:
        if isinstance(value, Path):
            return value
        if not isinstance(value, str) or not value:
            raise WrongValue(mark("must be a path, not {value}"), value=shown(value))
        if not value.isprintable():
            raise WrongValue(mark("must be a path without control characters, not {value}"), value=shown(value))
        if value.startswith("~"):
            raise WrongValue(mark("must be a path written out, without ~: {value}"), value=shown(value))
        return Path(value)

    def write(self, value: Path | None) -> str | None:
        return None if value is None else str(value)


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number
