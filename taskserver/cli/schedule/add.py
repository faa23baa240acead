"""`schedule add`: checks a cron expression and the arguments of its task, then makes a cron entry."""

from __future__ import annotations

from typing import Any

import click

from taskserver.cli.arguments import read_arguments
from taskserver.cli.command import command, option
from taskserver.cli.output import note, print_json, say
from taskserver.cli.parameters import Name, task_with_arguments
from taskserver.cli.schedule.options import entry_options
from taskserver.cli.schedule.preview import tell_next, tell_warnings
from taskserver.cli.session import Session, pass_session
from taskserver.errors import NotFound
from taskserver.texts import mark, translate


@command(
    examples=[
        'task_server schedule add nightly sample --cron "30 2 * * *"',
        'task_server schedule add invoices invoices.create --cron "0 6 1 * *" --client acme --misfire all',
        "task_server schedule add nightly sample --cron @daily --if-missing",
    ]
)
@click.argument("name", type=Name())
@task_with_arguments
@option("--cron", "cron_spec", metavar="SPEC", required=True, help=mark("Five fields, or @daily and the like."))
@entry_options(adding=True)
@option("--client", metavar="NAME", default="default", help=mark("For whom it runs. Default: the client default."))
@option("--disabled", is_flag=True, help=mark("Queue nothing until it is enabled."))
@option("--if-missing", is_flag=True, help=mark("Do nothing if there is an entry of this name."))
@pass_session
def add(
    session: Session,
    /,
    *,
    name: str,
    task: str,
    pairs: tuple[str, ...],
    data: str | None,
    cron_spec: str,
    client: str,
    time_zone: str | None,
    disabled: bool,
    if_missing: bool,
    **columns: Any,
) -> None:
    """Adds a cron entry.

    NAME is its name, unique within the client; TASK is the name of a task, NAME=VALUE its arguments. Says when it
    will run next, and warns of what may surprise.
    """
    from taskserver.cron import check_time_zone, parse
    from taskserver.store.errors import EntryExists

    parse(cron_spec)
    zone = check_time_zone(time_zone or session.settings.time_zone)
    existing = _find(session, name, client)
    if existing is not None:
        if not if_missing:
            raise EntryExists(name=name, client=client)
        note(translate("there is a cron entry {name!r} already; nothing was changed", name=name))
        if session.json:
            print_json(existing)
        return
    arguments = read_arguments(session, task, pairs, data)
    entry_id = session.store.entries.add(
        name,
        task,
        arguments,
        cron_spec=cron_spec,
        time_zone=zone.key,
        client=client,
        active=not disabled,
        created_by=session.user,
        **{column: value for column, value in columns.items() if value not in (None, "")},
    )
    session.wake()
    if session.json:
        print_json(session.store.entries.get(entry_id))
    else:
        say(translate("cron entry {name!r} is added", name=name))
        tell_next(cron_spec, zone, active=not disabled)
    tell_warnings(cron_spec, zone)


def _find(session: Session, name: str, client: str) -> dict[str, Any] | None:
    try:
        return session.store.entries.get(name, client)
    except NotFound:
        return None
