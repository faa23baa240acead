"""`token`: what programs sign in to the API with. A token is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from taskserver.cli.command import group, option
from taskserver.cli.output import local_time, note, print_json, print_table, say
from taskserver.cli.parameters import Span, Words
from taskserver.cli.session import Session, pass_session
from taskserver.cli.user import ROLES
from taskserver.texts import mark, translate


@group(examples=["task_server token list", "task_server token add erp --role operator --client acme"])
def token() -> None:
    """Tokens for the API."""


@token.command(
    examples=[
        "task_server token add erp --role operator --client acme",
        "task_server token add grafana --role viewer --expires 365d",
    ]
)
@click.argument("name", type=Words())
@option("--role", type=click.Choice(ROLES), required=True, help=mark("What its bearer may do."))
@option("--client", metavar="NAME", type=Words(), help=mark("In this client alone. Default: in all."))
@option("--expires", metavar="TIME", type=Span(), help=mark("After how long it is worth nothing. Default: never."))
@pass_session
def add(session: Session, name: str, role: str, client: str | None, expires: timedelta | None) -> None:
    """Makes a token and prints it, once: only its hash is kept."""
    from taskserver.store import Role
    from taskserver.web.security.tokens import new_token

    store, made = session.store, new_token()
    expires_at = None if expires is None else store.database.now() + expires
    with store.together():
        row = store.tokens.add(
            name,
            made.hash,
            prefix=made.prefix,
            role=Role(role),
            client=client,
            expires_at=expires_at,
            created_by=session.user,
        )
        _note(session, "token.add", name=name, role=role, client=client)
    if session.json:
        print_json({**row, "token": made.text})
        return
    note(translate("token {name}; nobody can show it again:", name=name))
    say(made.text)


@token.command("list", examples=["task_server token list", "task_server token list --json"])
@pass_session
def list_(session: Session) -> None:
    """Lists tokens."""
    rows = session.store.tokens.find()
    if session.json:
        print_json(rows)
        return
    headings = [
        translate("Name"),
        translate("Begins with"),
        translate("May"),
        translate("Client"),
        translate("Expires"),
        translate("Last used"),
    ]
    print_table(headings, (_cells(session, row) for row in rows), nothing=translate("no tokens"))


@token.command(examples=["task_server token delete erp"])
@click.argument("name", type=Words())
@pass_session
def delete(session: Session, name: str) -> None:
    """Deletes a token; it is worth nothing from then on."""
    store = session.store
    with store.together():
        row = store.tokens.get(name)
        store.tokens.delete(name)
        _note(session, "token.delete", name=name)
    if session.json:
        print_json(row)
    else:
        say(translate("token {name} is deleted", name=name))


def _cells(session: Session, row: dict[str, Any]) -> list[object]:
    from taskserver.store import Role
    from taskserver.web.scope.principal import ROLE_WORDS

    return [
        row["name"],
        row["prefix"] + "…",
        translate(ROLE_WORDS[Role(row["role"])]),
        row["client"] or translate("all"),
        local_time(row["expires_at"], session.zone),
        local_time(row["last_used_at"], session.zone),
    ]


def _note(session: Session, action: str, **detail: Any) -> None:
    session.store.audit.write(action, actor=session.user, source="task_server", detail=detail)
