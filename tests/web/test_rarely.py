"""Lines of the log that an attack could multiply."""

from __future__ import annotations

import logging

from taskserver.web.rarely import SECONDS_BETWEEN, Rarely


def test_a_line_is_told_at_once_then_rarely_and_with_the_number_of_the_others(caplog):
    now = 0.0
    rarely = Rarely(logging.getLogger("taskserver.web"), clock=lambda: now)

    for source in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        rarely.warning("refused: %s", source)
    rarely.warning("another: %s", "10.0.0.1")
    now += SECONDS_BETWEEN
    rarely.warning("refused: %s", "10.0.0.4")

    assert [record.getMessage() for record in caplog.records] == [
        "refused: 10.0.0.1",
        "another: 10.0.0.1",
        "refused: 10.0.0.4 (and 2 more like it before)",
    ]
