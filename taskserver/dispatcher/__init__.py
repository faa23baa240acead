"""The dispatcher: the loop that records outcomes, queues due cron entries and hands claimed jobs to the pool."""

from __future__ import annotations

from taskserver.dispatcher.beat import Beat
from taskserver.dispatcher.loop import Dispatcher
from taskserver.dispatcher.view import Pace
from taskserver.dispatcher.wakeup import Wakeup

__all__ = ["Beat", "Dispatcher", "Pace", "Wakeup"]
