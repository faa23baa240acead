"""Pages of a list whose rows have a place of their own: where they begin and end, as one word for the address.

A place is the key by which the list is ordered, so that a page stays where it is while rows come and go. What a
caller sees is decided by the search, never by the word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from taskserver.store.errors import PageGone
from taskserver.store.places import parts_of, word_of

__all__ = ["Around", "Shown", "around", "key_in", "shown", "word_of"]

_BIGGEST = 2**63 - 1

Row = Mapping[str, Any]
Key = TypeVar("Key")


class Around(NamedTuple, Generic[Key]):
    """Behind or before which key the rows of a page stand; neither for the first page."""

    after: Key | None
    before: Key | None


class Shown(NamedTuple):
    """The rows of a page, and the words for its neighbours."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None


def around(after: str | None, before: str | None, read: Callable[[str], Key]) -> Around[Key]:
    """Raises PageGone for both at once, and for a word that `read` refuses so."""
    if after and before:
        raise PageGone()
    return Around(read(after) if after else None, read(before) if before else None)


def shown(rows: Sequence[Row], limit: int, at: Around[Any], word: Callable[[Row], str]) -> Shown:
    """`rows` are one more than `limit`, if there are so many: the one too many stands at the far end."""
    more, backward = len(rows) > limit, at.before is not None
    page = rows[-limit:] if backward else rows[:limit]
    has_next, has_previous = more or backward, more if backward else at.after is not None
    return Shown(
        page,
        next=word(page[-1]) if page and has_next else None,
        previous=word(page[0]) if page and has_previous else None,
    )


def key_in(word: str, *kinds: type) -> tuple[Any, ...]:
    """The key that `word_of` wrote, of these kinds. Raises PageGone for any other."""
    parts = parts_of(word)
    if [type(part) for part in parts] != list(kinds) or not all(map(_is_kept, parts)):
        raise PageGone()
    return tuple(parts)


def _is_kept(part: Any) -> bool:
    """Whether a database takes it."""
    if isinstance(part, int):
        return 0 <= part <= _BIGGEST
    return "\0" not in part and not any(0xD800 <= ord(character) <= 0xDFFF for character in part)
