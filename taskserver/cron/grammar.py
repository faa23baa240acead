"""The words of a cron expression: five fields, their names, ranges, steps and lists, and what is refused.

`parse` calls `read` before it hands the expression to croniter. croniter takes more than cron does (ranges that
run backwards, `5-5` as the whole cycle, `?`, `W`, `H`, `R`, seconds and years) and its messages name neither
field nor remedy; so each part is looked at here first, and what is left for croniter reads the same in both.
It knows no dates.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from taskserver.cron.errors import NOTHING, InvalidField, InvalidSchedule, Phrase, suggestion
from taskserver.errors import TaskServerError
from taskserver.texts import mark

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_ENGLISH_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_ENGLISH_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_GERMAN_MONTHS = {"mär": "mar", "maerz": "mar", "mrz": "mar", "mai": "may", "okt": "oct", "dez": "dec"}
_GERMAN_DAYS = {"so": "sun", "mo": "mon", "di": "tue", "mi": "wed", "do": "thu", "fr": "fri", "sa": "sat"}
_GERMAN_FULL_DAYS = {
    "sonntag": "sun", "montag": "mon", "dienstag": "tue", "mittwoch": "wed", "donnerstag": "thu",
    "freitag": "fri", "samstag": "sat", "sonnabend": "sat",
}  # fmt: skip

_PART = re.compile(
    r"(?P<last>l)?(?:(?P<star>\*)|(?P<low>[0-9a-z]{1,20})(?:-(?P<high>[0-9a-z]{1,20}))?)"
    r"(?:/(?P<step>[0-9]{1,20}))?(?:#(?P<nth>[0-9]{1,20}))?",
    re.ASCII,
)


class Kind(NamedTuple):
    """One of the five fields: its name, the numbers it holds, the names for them, and what to write in it."""

    name: str
    low: int
    high: int
    names: dict[str, int]
    allowed: str


MINUTE = Kind(mark("minute"), 0, 59, {}, mark("0-59, *, ranges (0-30), steps (*/15) and lists (0,30)"))
HOUR = Kind(mark("hour"), 0, 23, {}, mark("0-23, *, ranges (8-17), steps (*/2) and lists (6,18)"))
DAY = Kind(
    mark("day of month"),
    1,
    31,
    {},
    mark("1-31, *, L for the last day, ranges (1-7), steps (*/2) and lists (1,15)"),
)
MONTH = Kind(
    mark("month"), 1, 12, {name: number for number, name in enumerate(MONTHS, 1)},
    mark("1-12, jan-dec, *, ranges (6-8), steps (*/3) and lists (1,7)"),
)  # fmt: skip
WEEKDAY = Kind(
    mark("day of week"), 0, 7, {name: number for number, name in enumerate(WEEKDAYS)},
    mark("0-7 (0 and 7 are Sunday), sun-sat, *, ranges (1-5), lists (1,3), 5#3 (third Friday), L5 (last Friday)"),
)  # fmt: skip
KINDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


class Part(NamedTuple):
    """One member of a field's list: a star or a range, its step; or one day of the week counted in the month."""

    low: int
    high: int
    step: int = 1
    star: bool = False
    counted: bool = False


class Field(NamedTuple):
    """A field as it was written, as croniter is to read it, and its parts."""

    kind: Kind
    text: str
    canonical: str
    parts: tuple[Part, ...]

    @property
    def starred(self) -> bool:
        """Whether it begins with `*`, which is what cron(8) goes by, whatever follows."""
        return self.text.startswith("*")


def read(spec: str) -> tuple[Field, ...]:
    """The five fields of an expression. Raises InvalidSchedule."""
    text = spec.strip().lower()
    if text.startswith("@"):
        text = _expand_shorthand(spec, text)
    words = re.findall(r"\S+", text)
    if len(words) != len(KINDS):
        _refuse_count(spec, words)
    return tuple(_Reader(spec, kind, words).read(word) for kind, word in zip(KINDS, words, strict=True))


class _Reader:
    """Reads one field of one expression; `words` are all five, for suggestions that touch another field."""

    def __init__(self, spec: str, kind: Kind, words: list[str]) -> None:
        self._spec = spec
        self._kind = kind
        self._words = words

    def read(self, text: str) -> Field:
        """The field. Raises InvalidField."""
        parts, canonical = [], []
        for member in text.split(","):
            part, plain = self._part(member)
            parts.append(part)
            canonical.append(plain)
        if any(part.counted for part in parts) and not all(part.counted for part in parts):
            why = mark("mixes counted weekdays (5#3, L5) with plain ones; make two cron entries of it")
            self._refuse(text, Phrase(why))
        return Field(self._kind, text, ",".join(canonical), tuple(parts))

    def _part(self, text: str) -> tuple[Part, str]:
        if text == "l" and self._kind is DAY:
            return Part(31, 31), "l"
        self._refuse_foreign(text)
        match = _PART.fullmatch(text)
        if match is None or (match["last"] and match["star"]):
            self._refuse(text, Phrase(mark("is not understood")), self._near(text))
        if match["last"] or match["nth"]:
            return self._counted(text, match)
        step = self._step(text, match)
        if match["star"]:
            return Part(self._kind.low, self._top, step, star=True), text
        low = self._number(match["low"], text)
        high = low if match["high"] is None else self._number(match["high"], text)
        if match["high"] is None and match["step"]:
            instead = f"{match['low']}-{self._top}/{step}"
            self._refuse(text, Phrase(mark("has a step without a range")), suggestion(instead))
        if low > high:
            self._refuse(text, Phrase(mark("runs backwards")), suggestion(self._unrolled(low, high, step)))
        return Part(low, high, step), self._plain(low, high, step)

    @property
    def _top(self) -> int:
        return 6 if self._kind is WEEKDAY else self._kind.high

    def _plain(self, low: int, high: int, step: int) -> str:
        """The range so that croniter reads it as cron does: for it `5-5` is every value, and 7 is only 0."""
        if low == high:
            return str(low)
        if self._kind is WEEKDAY:
            return ",".join(str(number % 7) for number in range(low, high + 1, step))
        return f"{low}-{high}/{step}"

    def _unrolled(self, low: int, high: int, step: int) -> str:
        if self._kind is WEEKDAY and step == 1:
            return f"{low}-7" if high == 0 else f"{low}-7,{high}" if high == 1 else f"{low}-7,1-{high}"
        if step > 1:
            cycle = self._top - self._kind.low + 1
            numbers = range(low, high + cycle + 1, step)
            return ",".join(
                str(n) for n in sorted({(n - self._kind.low) % cycle + self._kind.low for n in numbers})
            )
        pieces = ((low, self._top), (self._kind.low, high))
        return ",".join(str(start) if start == end else f"{start}-{end}" for start, end in pieces)

    def _counted(self, text: str, match: re.Match[str]) -> tuple[Part, str]:
        """`5#3`, `fri#3`, `mon-fri#1`, `L5`: weekdays counted within the month."""
        if self._kind is not WEEKDAY or match["step"] or match["star"] or (match["last"] and match["nth"]):
            self._refuse(text, Phrase(mark("is not understood")), self._near(text))
        if match["last"] and match["high"]:
            self._refuse(text, Phrase(mark("counts a range from the end; name each day: L1,L2")))
        if match["nth"] and not 1 <= int(match["nth"]) <= 5:
            self._refuse(text, Phrase(mark("counts beyond the month: # goes from 1 to 5")))
        low = self._number(match["low"], text)
        high = self._number(match["high"], text) if match["high"] else low
        if low > high:
            self._refuse(text, Phrase(mark("runs backwards")))
        days = sorted({number % 7 for number in range(low, high + 1)})
        suffix = f"#{int(match['nth'])}" if match["nth"] else ""
        prefix = "l" if match["last"] else ""
        return Part(low, high, counted=True), ",".join(f"{prefix}{day}{suffix}" for day in days)

    def _step(self, text: str, match: re.Match[str]) -> int:
        step = int(match["step"] or 1)
        if step == 0:
            self._refuse(text, Phrase(mark("has a step of 0")), suggestion(text.partition("/")[0]))
        return step

    def _number(self, word: str, text: str) -> int:
        if word in self._kind.names:
            return self._kind.names[word]
        if not word.isdecimal():
            self._refuse(text, Phrase(mark("is not understood")), self._near(text))
        number = int(word)
        if not self._kind.low <= number <= self._kind.high:
            self._refuse(text, Phrase(mark("is out of range")), self._nearest_number(word, number, text))
        return number

    def _nearest_number(self, word: str, number: int, text: str) -> Phrase:
        if text == word and (self._kind, number) in ((HOUR, 24), (MINUTE, 60)):
            return suggestion("0")
        return NOTHING

    def _near(self, word: str) -> Phrase:
        """What was probably meant: another spelling, or a name that belongs into another field."""
        if self._kind is WEEKDAY and re.fullmatch(r"[0-7]l|[a-z]{3}l", word):
            return suggestion(f"L{word[:-1]}")
        if self._kind is WEEKDAY and word == "l":
            return Phrase(mark("; for the last day of the month write L as day of month, for the last Friday L5"))
        for kind in (MONTH, WEEKDAY):
            name = "".join(_known_name(kind, piece) for piece in re.split(r"([a-zäö]+)", word))
            if _is_named(kind, name):
                return suggestion(name) if kind is self._kind else self._moved(kind, name)
        return NOTHING

    def _moved(self, kind: Kind, name: str) -> Phrase:
        words = list(self._words)
        if kind.name != self._kind.name and words[KINDS.index(kind)] == "*" and words.count(name) == 1:
            words[KINDS.index(self._kind)], words[KINDS.index(kind)] = "*", name
            return suggestion(" ".join(words))
        return Phrase(mark("; {name!r} belongs into the field {field}"), name=name, field=Phrase(kind.name))

    def _refuse_foreign(self, text: str) -> None:
        """Refuse what other schedulers have and cron has not, by its name."""
        if "?" in text:
            self._refuse(text, Phrase(mark("is Quartz's sign for any value")), suggestion("*"))
        if re.fullmatch(r"h(\(.*\))?(/[0-9]+)?", text):
            self._refuse(text, Phrase(mark("is Jenkins's sign for a value of its own choice; write a value")))
        if re.fullmatch(r"r(\(.*\))?(/[0-9]+)?", text) or "~" in text:
            self._refuse(
                text, Phrase(mark("asks for a value drawn by lot, which each start would draw anew; write one"))
            )
        if self._kind is DAY and re.fullmatch(r"[0-9]+w|w[0-9]+|lw|wl", text):
            self._refuse(text, Phrase(mark("asks for the nearest working day, which cron does not know")))
        if self._kind is DAY and re.fullmatch(r"l[-/,0-9]+|[0-9]+-l", text):
            self._refuse(text, Phrase(mark("combines L with other signs; L stands alone or in a list (15,L)")))
        if text == "":
            self._refuse(text, Phrase(mark("is an empty member of a list; a comma is too much")))

    def _refuse(self, part: str, why: Phrase, advice: Phrase = NOTHING) -> NoReturn:
        index = KINDS.index(self._kind)
        written = self._spec.split()[index] if len(self._spec.split()) == len(KINDS) else part
        member = next((member for member in written.split(",") if member.lower() == part), written)
        raise InvalidField(self._spec, why, advice, field=self._kind.name, part=member, allowed=self._kind.allowed)


def _known_name(kind: Kind, word: str) -> str:
    if word in kind.names:
        return word
    full = _ENGLISH_MONTHS if kind is MONTH else _ENGLISH_DAYS
    german = _GERMAN_MONTHS if kind is MONTH else _GERMAN_DAYS
    for name in full:
        if len(word) >= 3 and name.startswith(word):
            return name[:3]
    for start, name in german.items():
        if word == start or (kind is MONTH and word.startswith(start)):
            return name
    return _GERMAN_FULL_DAYS.get(word, word) if kind is WEEKDAY else word


def _is_named(kind: Kind, text: str) -> bool:
    words = re.findall(r"[a-z]+", text)
    return (
        bool(words)
        and all(word in kind.names for word in words)
        and re.fullmatch(r"[a-z0-9#/-]+", text) is not None
    )


def _expand_shorthand(spec: str, text: str) -> str:
    if text in SHORTHANDS:
        return SHORTHANDS[text]
    if text == "@reboot":
        raise InvalidSchedule(
            spec, Phrase(mark("@reboot is no time; queue the job from the system's own start instead"))
        )
    near = get_close_matches(text, SHORTHANDS, n=1, cutoff=0.6)
    why = Phrase(mark("shorthands are {names}"), names=", ".join(SHORTHANDS))
    raise InvalidSchedule(spec, why, suggestion(near[0]) if near else NOTHING)


def _refuse_count(spec: str, words: list[str]) -> NoReturn:
    why = Phrase(
        mark("five fields are needed, not {count}: minute, hour, day of month, month, day of week"),
        count=len(words),
    )
    advice = NOTHING
    if len(words) in (6, 7):
        advice = Phrase(mark("; seconds and years are not known"))
        shorter = " ".join("*" if word == "?" else word for word in words[1:6])
        if words[0] == "0" and _reads(shorter):
            advice = suggestion(shorter)
    raise InvalidSchedule(spec, why, advice)


def _reads(spec: str) -> bool:
    try:
        read(spec)
    except TaskServerError:
        return False
    return True
