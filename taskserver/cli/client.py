"""`client add|list|show|edit|set-login|delete`: the tenants for whom jobs run."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

import click

from taskserver.cli.command import group, option
from taskserver.cli.output import note, print_fields, print_json, print_table, say
from taskserver.cli.parameters import WholeNumber, completed_with
from taskserver.cli.session import Session, pass_session
from taskserver.errors import UsageError
from taskserver.texts import mark, plural, translate

Row = Mapping[str, Any]


class NothingToChange(UsageError):
    text = mark("nothing to change: name what is to be different, as --title or --rename")


@group(examples=["task_server client add acme --login batch", "task_server client list"])
def client() -> None:
    """Adds, shows and changes clients. Without a login no job of a client runs."""


@client.command(examples=["task_server client add acme --login batch --title 'ACME Ltd'"])
@click.argument("name")
@option("--login", metavar="LOGIN", help=mark("The application user under whom its jobs run."))
@option("--title", metavar="TEXT", default="", help=mark("A title for people."))
@option("--max-parallel", metavar="N", type=WholeNumber(min=1), help=mark("How many of its jobs may run at once."))
@pass_session
def add(session: Session, name: str, login: str | None, title: str, max_parallel: int | None) -> None:
    """Adds a client."""
    added = session.store.clients.add(name, login=login or None, title=title, max_parallel=max_parallel)
    if session.json:
        print_json(added)
        return
    say(translate("client {name} is added", name=name))
    if not added["login"]:
        note(
            translate(
                "it has no login yet, so none of its jobs runs: client set-login {name} LOGIN", name=quote(name)
            )
        )


@client.command("list", examples=["task_server client list", "task_server client list --json"])
@pass_session
def list_(session: Session) -> None:
    """Lists clients; says which have no login and how many of their jobs wait for it."""
    clients = session.store.clients.find()
    if session.json:
        print_json(clients)
        return
    headings = [translate("Name"), translate("Login"), translate("Title"), translate("Waiting"), translate("Note")]
    rows = ([row["name"], row["login"], row["title"], row["waiting"], hint(row)] for row in clients)
    print_table(headings, rows, nothing=translate("no clients"))


@client.command(examples=["task_server client show acme"])
@click.argument("name", shell_complete=completed_with("clients"))
@pass_session
def show(session: Session, name: str) -> None:
    """Shows a client."""
    row = session.store.clients.get(name)
    if session.json:
        print_json(row)
        return
    print_fields(
        [
            (translate("Name"), row["name"]),
            (translate("Title"), row["title"]),
            (translate("Login"), row["login"]),
            (translate("At the same time"), row["max_parallel"]),
            (translate("Running"), row["running"]),
            (translate("Waiting"), row["waiting"]),
            (translate("Note"), hint(row)),
        ]
    )


@client.command(
    examples=["task_server client edit acme --title 'ACME Ltd'", "task_server client edit acme --rename apex"]
)
@click.argument("name", shell_complete=completed_with("clients"))
@option("--rename", "new_name", metavar="NAME", help=mark("A new name."))
@option("--title", metavar="TEXT", help=mark("A title for people."))
@option(
    "--max-parallel",
    metavar="N",
    type=WholeNumber(min=0),
    help=mark("How many of its jobs may run at once; 0: no limit."),
)
@pass_session
def edit(session: Session, name: str, new_name: str | None, title: str | None, max_parallel: int | None) -> None:
    """Changes the name, the title or the limit of a client."""
    given = {"new_name": new_name, "title": title, "max_parallel": max_parallel}
    changed: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if not changed:
        raise NothingToChange()
    if max_parallel == 0:
        changed["max_parallel"] = None
    session.store.clients.edit(name, **changed)
    session.wake()
    _tell(session, new_name or name, translate("client {name} is changed", name=new_name or name))


@client.command(
    "set-login", examples=["task_server client set-login acme batch", "task_server client set-login acme --none"]
)
@click.argument("name", shell_complete=completed_with("clients"))
@click.argument("login", required=False)
@option("--none", is_flag=True, help=mark("Take its login away: none of its jobs runs any more."))
@pass_session
def set_login(session: Session, name: str, login: str | None, none: bool) -> None:
    """Sets the application user under whom the jobs of a client run."""
    if bool(login) == none:
        raise click.UsageError(translate("give a LOGIN or --none"))
    session.store.clients.set_login(name, login or None)
    session.wake()
    if login:
        told = translate("jobs of client {name} run as {login}", name=name, login=login)
    else:
        told = translate("client {name} has no login; none of its jobs runs", name=name)
    _tell(session, name, told)


@client.command(examples=["task_server client delete acme"])
@click.argument("name", shell_complete=completed_with("clients"))
@pass_session
def delete(session: Session, name: str) -> None:
    """Deletes a client that has neither jobs nor cron entries."""
    row = session.store.clients.get(name)
    session.store.clients.delete(name)
    if session.json:
        print_json(row)
    else:
        say(translate("client {name} is deleted", name=name))


def hint(row: Row) -> str:
    """What keeps the client's jobs from running, or nothing."""
    if row["login"]:
        return ""
    waiting = row["waiting"]
    if not waiting:
        return translate("no login: none of its jobs will run")
    return plural("no login: {count} job waits for it", "no login: {count} jobs wait for it", waiting)


def _tell(session: Session, name: str, told: str) -> None:
    if session.json:
        print_json(session.store.clients.get(name))
    else:
        say(told)
