"""What helps a job that does not run, said to people who have buttons and no shell."""

from __future__ import annotations

from taskserver.store import Finding
from taskserver.texts import mark, translate

_ADVICE = {
    "stopped": mark("Start lets it go on"),
    "failed": mark("Start tries again"),
    "inactive": mark("Start starts it all the same"),
    "no_login": mark("an administrator can give it one on the page Clients"),
    "autostart_off": mark("start it by hand, or let jobs start automatically"),
    "no_node": mark("somebody has to start it on the server"),
}


def sentence(finding: Finding) -> str:
    """The finding with what helps here; where no command was named, as it is."""
    advice = _ADVICE.get(finding.code)
    if not finding.cure or advice is None:
        return finding.text
    return f"{finding.fact}; {translate(advice)}"
