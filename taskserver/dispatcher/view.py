"""What goes into the dispatcher and out of it as plain values: its pace, and what it knows about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Pace:
    """How often the dispatcher looks without being woken. May be replaced while it runs."""

    poll_seconds: float
    heartbeat_seconds: float


@dataclass(slots=True)
class View:
    """What the dispatcher tells others about itself; plain values, written by its thread alone."""

    database: str = "ok"
    waiting: int = 0
    autostart: bool = True
    claiming: bool = True
    last_turn_at: datetime | None = None
