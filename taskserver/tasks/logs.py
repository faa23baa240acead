"""The logger of one run: a real `logging.Logger` that is listed nowhere, so it ends with the run.

Its lines are kept with the run and go on to the logger "taskserver.task" with the fields run_id, job_id, task
and client.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from taskserver.jobs import Claim
from taskserver.log_fields import said_by_task

node_log = logging.getLogger("taskserver.task")


class RunLogger(logging.Logger):
    """Hands every line of the run to `line("log", text)` and to the node's log.

    Takes none of the locks of `logging`: a run that is killed at that moment would keep them for ever.
    """

    def __init__(self, claim: Claim, line: Callable[[str, str], None]) -> None:
        super().__init__(f"{node_log.name}.{claim.task}", min(logging.INFO, node_log.getEffectiveLevel()))
        self.parent = node_log
        self._line = line
        self._formatter = logging.Formatter()
        self._fields = {
            "run_id": claim.run_id,
            "job_id": claim.job_id,
            "task": claim.task,
            "client": claim.client,
            **said_by_task(claim),
        }

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return not self.disabled and level > self.manager.disable and level >= self.getEffectiveLevel()

    def handle(self, record: logging.LogRecord) -> None:
        record.__dict__.update(self._fields)
        if not self.disabled and self.filter(record):
            self._line("log", self._text(record))
            self.callHandlers(record)

    def _text(self, record: logging.LogRecord) -> str:
        try:
            text = self._formatter.format(record)
        except Exception as error:  # noqa: BLE001 - a wrong format string must not fail the job
            text = f"{record.msg!r} (arguments do not fit: {error})"
            record.msg, record.args = text, ()  # for the handlers after this one
        return text if record.levelno <= logging.INFO else f"{record.levelname} {text}"


def run_logger(claim: Claim, line: Callable[[str, str], None]) -> logging.Logger:
    """The logger of the run that `claim` stands for."""
    return RunLogger(claim, line)
