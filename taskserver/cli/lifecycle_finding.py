"""What `check` has found, one thing at a time. Shared by the modules that look; knows none of them."""

from __future__ import annotations

from dataclasses import dataclass

from taskserver.errors import TaskServerError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `code` is the exit code that it calls for; EXIT_OK: it is only worth knowing."""

    area: str
    text: str
    code: int

    @classmethod
    def of(cls, area: str, error: TaskServerError) -> Finding:
        return cls(area, error.message(), error.exit_code)
