"""What the daemon drives: the interface that the server implements.

The daemon layer knows the server only through this protocol, so neither imports the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from taskserver.config import Settings


class Service(Protocol):
    """The work of the daemon. Every method may be called from any thread.

    `start` and then `wait` are called in one thread that lasts as long as the service does; a parent-death signal
    that is tied to this thread therefore fires only when the daemon dies.
    """

    failure: BaseException | None
    """Why the service ended by itself; None while it runs and after a stop that was asked for."""

    def start(
        self, waiting: Callable[[str], None], changed: Callable[[], None], beat_seconds: float | None
    ) -> None:
        """Return when work is taken. While the database is not there, log it, tell `waiting` and try again.

        `changed` is called when `status` says something else than before: from any thread, and often. With
        `beat_seconds`, `alive_at` advances at least that often.

        Raises TaskServerError for what waiting does not mend. After `abandon` it returns or raises soon, and
        claims nothing.
        """

    def wake(self) -> None:
        """Look for work now. Never blocks."""

    def status(self) -> dict[str, Any]:
        """What the service knows about itself; plain JSON values. Never blocks on the database."""

    def reload(self, settings: Settings) -> list[str]:
        """Take over new settings between two turns; the keys that need a restart."""

    def drain(self, timeout: float | None = None) -> None:
        """Begin to end: claim nothing more, let running jobs end. Returns at once."""

    def abandon(self) -> None:
        """End now: running jobs are stopped and released. Returns at once."""

    def alive_at(self) -> float:
        """When the service last proved that it goes on, on the monotonic clock; now while it waits for its
        database, since a restart would not mend that. Never blocks."""

    def wait(self, timeout: float) -> bool:
        """Whether the service has ended, after at most `timeout` seconds."""

    def run_job(self, job_id: int) -> tuple[int, int]:
        """Instead of all the above: run this one job here and now, active or not; its id and its exit code.

        With the id of a cron entry it is a new job of that.
        """


MakeService = Callable[["Settings", logging.Logger], Service]
