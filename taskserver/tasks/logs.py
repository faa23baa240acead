"""The logger of one run: a real `logging.Logger` that is listed nowhere, so it ends with the run.

Its lines are kept with the run and go on to the logger "taskserver.task" with the fields run_id, job_id and
task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from taskserver.jobs import Claim

NODE_LOGGER = "taskserver.task"


def run_logger(claim: Claim, line: Callable[[str, str], None]) -> logging.Logger:
    """A logger that hands every line of the run to `line("log", text)` and to the node's log."""
    logger = logging.Logger(f"{NODE_LOGGER}.{claim.task}")
    logger.parent = logging.getLogger(NODE_LOGGER)
    logger.setLevel(min(logging.INFO, logger.parent.getEffectiveLevel()))
    logger.addFilter(_RunFields(claim))
    logger.addHandler(_LineHandler(line))
    return logger


class _RunFields(logging.Filter):
    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self._claim = claim

    def filter(self, record: logging.LogRecord) -> bool:
        record.run_id = self._claim.run_id
        record.job_id = self._claim.job_id
        record.task = self._claim.task
        return True


class _LineHandler(logging.Handler):
    def __init__(self, line: Callable[[str, str], None]) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 - a wrong format string must not fail the job
            text = f"{record.msg!r} (arguments do not fit: {error})"
            record.msg, record.args = text, ()  # for the handlers after this one
        self._line("log", text if record.levelno <= logging.INFO else f"{record.levelname} {text}")
