"""`schedule edit`: changes a cron entry; what is not named stays."""

from __future__ import annotations

from typing import Any

import click

from taskserver.cli.arguments import read_arguments
from taskserver.cli.command import command, option
from taskserver.cli.output import print_json, say
from taskserver.cli.parameters import Name
from taskserver.cli.schedule.options import by_name, entry_options
from taskserver.cli.schedule.preview import tell_next, tell_warnings
from taskserver.cli.session import Session, pass_session
from taskserver.errors import UsageError
from taskserver.texts import mark, translate


class NothingToChange(UsageError):
    text = mark("nothing to change: name what is to be different, as --cron or NAME=VALUE")


@command(
    examples=[
        'task_server schedule edit nightly --cron "0 3 * * *"',
        "task_server schedule edit nightly seconds=20 --misfire skip",
        'task_server schedule edit nightly --node ""',
    ]
)
@by_name
@click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)
@option("--data", metavar="JSON", help=mark("All arguments anew, as one JSON object."))
@option("--unset", metavar="NAME", multiple=True, help=mark("Leave this argument out from now on."))
@option("--cron", "cron_spec", metavar="SPEC", help=mark("Five fields, or @daily and the like."))
@option("--rename", "new_name", metavar="NAME", type=Name(), help=mark("A new name."))
@option("--task", metavar="NAME", help=mark("Another task."))
@entry_options(adding=False)
@pass_session
def edit(
    session: Session,
    /,
    *,
    name: str,
    client: str,
    pairs: tuple[str, ...],
    data: str | None,
    unset: tuple[str, ...],
    new_name: str | None,
    **columns: Any,
) -> None:
    """Changes a cron entry.

    NAME=VALUE changes one argument and keeps the others; --data replaces all. An empty --node means any node.
    """
    entry = session.store.entries.get(name, client)
    changed = {column: value for column, value in columns.items() if value is not None}
    _check_times(changed)
    if new_name is not None:
        changed["name"] = new_name
    if changed.get("node_id") == "":
        changed["node_id"] = None
    if pairs or data is not None or unset or "task" in changed:
        changed["data"] = _arguments(
            session, entry=entry, task=changed.get("task", entry["task"]), pairs=pairs, data=data, unset=unset
        )
    if not changed:
        raise NothingToChange()
    session.store.entries.edit(entry["id"], default_zone=session.zone, **changed)
    session.wake()
    _tell(session, entry["id"], timing={"cron_spec", "time_zone"} & changed.keys())


def _check_times(changed: dict[str, Any]) -> None:
    from taskserver.cron import check_time_zone, parse

    if "cron_spec" in changed:
        parse(changed["cron_spec"])
    if "time_zone" in changed:
        check_time_zone(changed["time_zone"])


def _arguments(
    session: Session,
    *,
    entry: dict[str, Any],
    task: str,
    pairs: tuple[str, ...],
    data: str | None,
    unset: tuple[str, ...],
) -> dict[str, Any]:
    replaced = {pair.partition("=")[0] for pair in pairs}
    kept = {name: value for name, value in entry["data"].items() if name not in replaced | set(unset)}
    return read_arguments(session, task, pairs, data, kept=kept if data is None else None)


def _tell(session: Session, entry_id: int, *, timing: set[str]) -> None:
    from taskserver.cron import check_time_zone

    entry = session.store.entries.get(entry_id)
    if session.json:
        print_json(entry)
    else:
        say(translate("cron entry {name!r} is changed", name=entry["name"]))
    if timing:
        zone = check_time_zone(entry["time_zone"] or session.zone.key)
        if not session.json:
            tell_next(entry["cron_spec"], zone, active=entry["active"])
        tell_warnings(entry["cron_spec"], zone)
