"""How the daemon is, in one line for a person: what `systemctl status` shows beside Status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskserver.texts import plural, translate


def summary(status: Mapping[str, Any]) -> str:
    """The line for what a service says of itself (`Service.status`)."""
    state, busy = str(status.get("state", "starting")), int(status.get("busy") or 0)
    if state == "starting":
        return translate("starting")
    if state.startswith("waiting"):
        return translate("waiting for the database")
    if state == "draining":
        return _draining(busy)
    return ", ".join(_working(status, busy))


def _draining(busy: int) -> str:
    if not busy:
        return translate("draining: no job runs any more")
    return plural("draining: {count} job still runs", "draining: {count} jobs still run", busy)


def _working(status: Mapping[str, Any], busy: int) -> list[str]:
    parts = [translate("{busy} of {slots} slots busy", busy=busy, slots=status.get("slots", busy))]
    waiting = status.get("waiting")
    if waiting is not None:
        nothing = translate("no jobs waiting")
        parts.append(plural("{count} job waiting", "{count} jobs waiting", waiting) if waiting else nothing)
    if status.get("autostart") is False:
        parts.append(translate("auto-start is off"))
    if status.get("claiming") is False:
        parts.append(translate("it claims nothing"))
    database = status.get("database", "ok")
    if database == "locked":
        parts.append(translate("the database is locked by another program"))
    elif database not in ("ok", "unknown"):
        parts.append(translate("the database is not available"))
    return parts
