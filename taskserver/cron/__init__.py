"""Cron entries' times: what a cron expression means, when it is due next, and what it says in plain words.

The store and the control program call it. It knows nothing of jobs, databases or the present time: every
instant is passed in. croniter reads the expressions (and is imported when the first one is read); the times are
computed here, by the rules of Debian's cron(8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskserver.cron.counting import count_between
from taskserver.cron.errors import InvalidField, InvalidSchedule, InvalidTimeZone
from taskserver.cron.schedule import Schedule, parse
from taskserver.cron.zones import check_time_zone

if TYPE_CHECKING:
    from taskserver.cron.explain import Preview, preview
    from taskserver.cron.nights import Warning

__all__ = [
    "InvalidField",
    "InvalidSchedule",
    "InvalidTimeZone",
    "Preview",
    "Schedule",
    "Warning",
    "check_time_zone",
    "count_between",
    "parse",
    "preview",
]


def __getattr__(name: str) -> Any:
    """`preview` and what it needs of two languages: for people, not for the daemon."""
    if name not in ("Preview", "Warning", "preview"):
        raise AttributeError(f"module 'taskserver.cron' has no attribute {name!r}")
    from taskserver.cron import explain

    return getattr(explain, name)
