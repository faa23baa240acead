"""What statuses and reasons are called when people read them: on the command line and in the console alike."""

from __future__ import annotations

from types import MappingProxyType

from taskserver.texts import mark, translate

STATUS_WORDS = MappingProxyType(
    {
        "waiting": mark("waiting"),
        "running": mark("running"),
        "stopping": mark("stopping"),
        "stopped": mark("stopped"),
        "finished": mark("finished"),
        "failed": mark("failed"),
        "lost": mark("lost"),
        # Of older programs.
        "success": mark("finished"),
        "failure": mark("failed"),
    }
)

REASON_WORDS = MappingProxyType(
    {
        "error": mark("error"),
        "arguments": mark("wrong arguments"),
        "timeout": mark("out of time"),
        "killed": mark("killed"),
        "memory": mark("out of memory"),
        "lost": mark("its node died"),
        "stopped": mark("stopped by hand"),
        "drained": mark("its node was stopped"),
    }
)


def status_word(status: str | None) -> str:
    """The status as people read it; "" for None."""
    return translate(STATUS_WORDS.get(status or "", status or ""))


def reason_word(reason: str | None) -> str:
    """Why a run ended as it did; "" for None."""
    return translate(REASON_WORDS.get(reason or "", reason or ""))
