"""`user`: who may use the console. A password comes from a prompt or from standard input, never from arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from taskserver.cli.client import NothingToChange
from taskserver.cli.command import Decorated, group, option
from taskserver.cli.output import local_time, print_fields, print_json, print_table, say, yes_no
from taskserver.cli.parameters import Words
from taskserver.cli.session import Session, pass_session
from taskserver.errors import UsageError
from taskserver.texts import LANGUAGES, mark, translate
from taskserver.web.packages import require_packages

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskserver.store import Grant

ROLES = ("viewer", "operator", "administrator")

_LONGEST_PASSWORD = 4096


class UnknownZone(UsageError):
    text = mark("there is no time zone {name}; take one as Europe/Berlin")


class NoPassword(UsageError):
    text = mark("there is no terminal to ask for a password; give it on standard input with --password-stdin")


class NoUtf8Password(UsageError):
    text = mark("the password on standard input is not UTF-8, or is too long")


def role_options(function: Decorated) -> Decorated:
    function = option(
        "--client",
        metavar="NAME",
        type=Words(),
        help=mark("The role is for this client. Default: for all clients."),
    )(function)
    return option("--role", type=click.Choice(ROLES), help=mark("What the user may do."))(function)


_password_option: Callable[[Any], Any] = option(
    "--password-stdin", is_flag=True, help=mark("Read the password from standard input: one line.")
)


@group(examples=["task_server user list", "task_server user add anna --role administrator"])
def user() -> None:
    """Users of the web console."""


@user.command(
    examples=[
        "task_server user add anna --role administrator",
        "task_server user add bert --role viewer --client acme --password-stdin",
    ]
)
@click.argument("name", type=Words())
@role_options
@_password_option
@pass_session
def add(session: Session, name: str, role: str | None, client: str | None, password_stdin: bool) -> None:
    """Adds a user and asks for a password."""
    require_packages()
    from taskserver.store import Role
    from taskserver.web.security.passwords import hashed

    if client is not None and role is None:
        raise click.UsageError(translate("--client goes with --role"))
    store = session.store
    password_hash = hashed(read_password(from_stdin=password_stdin), name=name)
    with store.together():
        store.users.add(name, password_hash, role=Role(role) if role else None, client=client)
        _note(session, "user.add", user=name, role=role, client=client)
    _tell(session, name, translate("user {name} is added", name=name))


@user.command("list", examples=["task_server user list", "task_server user list --json"])
@pass_session
def list_(session: Session) -> None:
    """Lists users."""
    users = session.store.users.find()
    if session.json:
        print_json([_document(row) for row in users])
        return
    headings = [translate("Name"), translate("May"), translate("Active"), translate("Last login")]
    rows = (
        [row["name"], _roles(row["roles"]), yes_no(row["active"]), local_time(row["last_login_at"], session.zone)]
        for row in users
    )
    print_table(headings, rows, nothing=translate("no users"))


@user.command(examples=["task_server user show anna"])
@click.argument("name", type=Words())
@pass_session
def show(session: Session, name: str) -> None:
    """Shows a user."""
    row = session.store.users.get(name)
    if session.json:
        print_json(_document(row))
        return
    print_fields(
        [
            (translate("Name"), row["name"]),
            (translate("May"), _roles(row["roles"])),
            (translate("Active"), yes_no(row["active"])),
            (translate("Password"), yes_no(row["has_password"])),
            (translate("Language"), row["language"]),
            (translate("Time zone"), row["time_zone"]),
            (translate("Last login"), local_time(row["last_login_at"], session.zone, with_zone=True)),
        ]
    )


@user.command(
    examples=[
        "task_server user edit anna --language de --time-zone Europe/Berlin",
        "task_server user edit anna --inactive",
    ]
)
@click.argument("name", type=Words())
@option("--rename", "new_name", metavar="NAME", type=Words(), help=mark("A new name."))
@option("--language", type=click.Choice(LANGUAGES), help=mark("The language of the pages."))
@option("--time-zone", metavar="ZONE", help=mark("The time zone of the pages, as Europe/Berlin."))
@option("--active/--inactive", default=None, help=mark("Whether the user may sign in."))
@pass_session
def edit(
    session: Session,
    name: str,
    new_name: str | None,
    language: str | None,
    time_zone: str | None,
    active: bool | None,
) -> None:
    """Changes a user. One who is made inactive is signed out at once."""
    given = {"new_name": new_name, "language": language, "time_zone": time_zone, "active": active}
    changed = {key: value for key, value in given.items() if value is not None}
    if not changed:
        raise NothingToChange()
    if time_zone is not None:
        from taskserver.config.machine import is_time_zone

        if not is_time_zone(time_zone):
            raise UnknownZone(name=time_zone)
    store = session.store
    with store.together():
        store.users.edit(name, **changed)
        _note(session, "user.edit", user=name, **changed)
    _tell(session, new_name or name, translate("user {name} is changed", name=new_name or name))


@user.command(
    "set-password",
    examples=["task_server user set-password anna", "task_server user set-password anna --password-stdin"],
)
@click.argument("name", type=Words())
@_password_option
@pass_session
def set_password(session: Session, name: str, password_stdin: bool) -> None:
    """Gives a user a new password and ends all sessions of the old one."""
    require_packages()
    from taskserver.web.security.passwords import hashed

    store = session.store
    store.users.get(name)
    password_hash = hashed(read_password(from_stdin=password_stdin), name=name)
    with store.together():
        store.users.set_password_hash(name, password_hash)
        _note(session, "user.set_password", user=name)
    _tell(session, name, translate("user {name} has a new password", name=name))


@user.command(
    "set-role",
    examples=[
        "task_server user set-role anna operator --client acme",
        "task_server user set-role anna --none --client acme",
    ],
)
@click.argument("name", type=Words())
@click.argument("role", type=click.Choice(ROLES), required=False)
@option("--client", metavar="NAME", type=Words(), help=mark("In this client. Default: in all."))
@option("--none", is_flag=True, help=mark("Take the role away."))
@pass_session
def set_role(session: Session, name: str, role: str | None, client: str | None, none: bool) -> None:
    """Sets what a user may do, in one client or in all."""
    from taskserver.store import Role

    if bool(role) == none:
        raise click.UsageError(translate("give a ROLE or --none"))
    store = session.store
    with store.together():
        store.users.set_role(name, Role(role) if role else None, client)
        _note(session, "user.set_role", user=name, role=role, client=client)
    _tell(session, name, translate("user {name} is changed", name=name))


@user.command(examples=["task_server user delete anna"])
@click.argument("name", type=Words())
@pass_session
def delete(session: Session, name: str) -> None:
    """Deletes a user. What they did stays in the audit."""
    store = session.store
    with store.together():
        row = store.users.get(name)
        store.users.delete(name)
        _note(session, "user.delete", user=name)
    if session.json:
        print_json(_document(row))
    else:
        say(translate("user {name} is deleted", name=name))


def read_password(*, from_stdin: bool) -> str:
    """From a prompt, twice and unseen; or one line of standard input."""
    if from_stdin:
        try:
            line = sys.stdin.readline(_LONGEST_PASSWORD)
        except UnicodeDecodeError:
            raise NoUtf8Password() from None
        password = line.removesuffix("\n").removesuffix("\r")
        if any("\ud800" <= letter <= "\udfff" for letter in password) or len(line) == _LONGEST_PASSWORD:
            raise NoUtf8Password()
        return password
    if not sys.stdin.isatty():
        raise NoPassword()
    return str(
        click.prompt(translate("Password"), hide_input=True, confirmation_prompt=translate("Once more"), err=True)
    )


def _note(session: Session, action: str, **detail: Any) -> None:
    session.store.audit.write(action, actor=session.user, source="task_server", detail=detail)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    roles = [{"role": grant.role, "client": grant.client} for grant in row["roles"]]
    return {**row, "roles": roles}


def _roles(grants: list[Grant]) -> str:
    from taskserver.web.scope.principal import ROLE_WORDS

    return ", ".join(
        translate(ROLE_WORDS[grant.role]) + (f" ({grant.client})" if grant.client else "") for grant in grants
    )


def _tell(session: Session, name: str, told: str) -> None:
    if session.json:
        print_json(_document(session.store.users.get(name)))
    else:
        say(told)
