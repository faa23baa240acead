"""An application's log handler that never returns, as one that sends over a network may do.

It holds the dispatcher as soon as that has something to log.
"""

from __future__ import annotations

import logging
import threading


class Hanging(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread().name == "dispatcher":
            threading.Event().wait()


logging.getLogger("taskserver").addHandler(Hanging())
