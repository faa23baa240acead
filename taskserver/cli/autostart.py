"""`autostart on|off|show`: the task manager's switch, for every node and for good."""

from __future__ import annotations

import click

from taskserver.cli.command import command
from taskserver.cli.output import print_json, say
from taskserver.cli.session import Session, pass_session
from taskserver.texts import plural, translate


@command(examples=["task_server autostart off", "task_server autostart on", "task_server autostart show"])
@click.argument("switch", metavar="[on|off|show]", type=click.Choice(["on", "off", "show"]), default="show")
@pass_session
def autostart(session: Session, switch: str) -> None:
    """Turns auto-start on or off: whether waiting jobs start by themselves.

    While it is off, cron entries go on queueing, and only jobs started by hand run.
    """
    if switch != "show":
        session.store.switches.set_autostart(switch == "on")
        session.wake()
    on = session.store.switches.autostart()
    waiting = session.store.jobs.counts().get("waiting", 0)
    if session.json:
        print_json({"autostart": on, "waiting": waiting})
        return
    say(translate("auto-start is on") if on else translate("auto-start is off"))
    if not on and waiting:
        say(plural("{count} job waits to be started by hand", "{count} jobs wait to be started by hand", waiting))
