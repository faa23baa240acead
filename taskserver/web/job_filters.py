"""What of the page of jobs somebody wants to see, as it stands in the address and goes through its forms."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query

_LONGEST = 300

Word = Annotated[str, Query(max_length=_LONGEST)]


@dataclass(frozen=True, slots=True)
class JobFilters:
    """ "" is no condition. `after` and `before` are the place of the page."""

    text: str = ""
    status: str = ""
    client: str = ""
    task: str = ""
    after: str = ""
    before: str = ""

    @classmethod
    def read(cls, query: str) -> JobFilters:
        """From what `write` has written; anything else in it is left out."""
        given = dict(parse_qsl(query[:4000], max_num_fields=50))
        return cls(**{name: given[name][:_LONGEST] for name in cls.__slots__ if name in given})

    def write(self) -> str:
        return urlencode(self.query())

    def query(self, **changed: str | None) -> dict[str, str]:
        """The parts of an address; a change of what is wanted begins again with the first page."""
        wanted: dict[str, Any] = asdict(self)
        if changed:
            wanted |= {"after": None, "before": None, **changed}
        return {name: value for name, value in wanted.items() if value}

    @property
    def conditions(self) -> dict[str, Any]:
        """For `scope.jobs.page`. A status that is none finds nothing."""
        return {
            "text": self.text.strip() or None,
            "status": [self.status] if self.status else None,
            "client": self.client or None,
            "task": self.task or None,
        }

    @property
    def longest(self) -> int:
        """So many characters one may type."""
        return _LONGEST

    @property
    def are_set(self) -> bool:
        return bool(self.text or self.client or self.task)


def _asked(
    text: Word = "", status: Word = "", client: Word = "", task: Word = "", after: Word = "", before: Word = ""
) -> JobFilters:
    return JobFilters(text, status, client, task, after, before)


Asked = Annotated[JobFilters, Depends(_asked)]
