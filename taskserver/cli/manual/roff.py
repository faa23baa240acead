"""Writes a manual page in the language of man(7), so that groff and mandoc have nothing to say about it.

ASCII alone comes out: other letters are written as their code, which every reader of manual pages understands in
every locale. Knows no page.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

_WIDTH = 76
_UMLAUTS = {letter: f"\\(:{base}" for letter, base in zip("äöüÄÖÜ", "aouAOU", strict=True)} | {"ß": "\\(ss"}
"""Names that also apropos(1) can read, which knows no codes."""
_SPECIAL = _UMLAUTS | {"\\": "\\e", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


class Roff:
    """One page as it grows. Texts are plain; `words` between backticks become bold.

    No word is hyphenated, as the reader's roff may know the rules of another language.
    """

    def __init__(self, title: str, section: int, *, date: str, source: str, manual: str) -> None:
        self._lines = [f".TH {title} {section} {date} {_argument(source)} {_argument(manual)}", ".nh", ".ad l"]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def heading(self, text: str) -> None:
        self._lines.append(f".SH {_argument(text)}")

    def subheading(self, text: str) -> None:
        self._lines.append(f".SS {_argument(text, hyphens='minus')}")

    def name(self, name: str, purpose: str) -> None:
        """The line by which apropos(1) finds the page."""
        line = f"{escaped(name, hyphens='minus')} \\- {escaped(purpose)}"
        self._lines += textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False)

    def text(self, text: str) -> None:
        """Paragraphs, set off by empty lines."""
        for number, paragraph in enumerate(text.split("\n\n")):
            if number or not self._lines[-1].startswith((".SH", ".SS")):
                self._lines.append(".PP")
            self._lines += _filled(paragraph)

    def term(self, tag: str, text: str) -> None:
        """An indented explanation of a word."""
        self._lines.append(".TP")
        self._lines.append(f"\\fB{escaped(tag, hyphens='minus')}\\fR")
        for number, paragraph in enumerate(text.split("\n\n")):
            self._lines += [".IP"] if number else []
            self._lines += _filled(paragraph)

    def synopsis(self, command: str, rest: str) -> None:
        line = f"\\fB{escaped(command, hyphens='minus')}\\fR {escaped(rest, hyphens='minus')}"
        self._lines += [line.rstrip(), ".br"]

    def example(self, lines: Iterable[str]) -> None:
        """Lines as they are typed."""
        begins_section = self._lines[-1].startswith((".SH", ".SS"))
        self._lines += [*([] if begins_section else [".PP"]), ".nf", ".RS 4"]
        self._lines += [_protected(escaped(line, hyphens="minus")) for line in lines]
        self._lines += [".RE", ".fi"]

    def end_of_synopsis(self) -> None:
        if self._lines[-1] == ".br":
            self._lines.pop()


def escaped(text: str, *, hyphens: str = "hyphen") -> str:
    """The text so that it is printed as it stands; with "minus" each hyphen can be copied and pasted."""
    special = _SPECIAL | ({"-": "\\-"} if hyphens == "minus" else {})
    return "".join(
        special.get(letter) or (letter if letter.isascii() else f"\\[u{ord(letter):04X}]") for letter in text
    )


def _filled(paragraph: str) -> list[str]:
    """The paragraph in short lines, each sentence on one of its own, as roff likes it."""
    lines: list[str] = []
    for sentence in re.split(r"(?<=[.?!:]) +(?=[A-ZÄÖÜ\"$`\[])", " ".join(paragraph.split())):
        lines += textwrap.wrap(_marked(sentence), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_protected(line) for line in lines]


def _marked(sentence: str) -> str:
    """Code between backticks, and options, stand out; what else can be typed keeps its hyphens."""
    parts = re.split(r"(`[^`]+`|(?<![\w-])--?[a-z][\w-]*)", sentence)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = f"\\fB{escaped(part.strip('`'), hyphens='minus')}\\fR"
        else:
            parts[number] = escaped(part)
    return "".join(parts)


def _protected(line: str) -> str:
    """A line that begins like a command to roff is none."""
    return f"\\&{line}" if line[:1] in (".", "'") else line


def _argument(text: str, *, hyphens: str = "hyphen") -> str:
    return f'"{escaped(text, hyphens=hyphens)}"'
