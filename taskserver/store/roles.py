"""Roles: what a user or a token may do, in one client or in all.

The store keeps them; `web.scope` decides by them. An operator may do all that a viewer may, an administrator all
that an operator may.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from taskserver.database.schema import clients, user_roles
from taskserver.store.errors import ClientNotFound


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what needs `other`."""
        return _RANKS[self] >= _RANKS[other]


_RANKS = MappingProxyType({Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMINISTRATOR: 3})


@dataclass(frozen=True, slots=True)
class Grant:
    """One role. `client_id` and `client` (its name) are None where it holds for every client, also later ones."""

    role: Role
    client_id: int | None = None
    client: str | None = None


def highest(roles: Iterable[Role]) -> Role | None:
    return max(roles, key=lambda role: _RANKS[role], default=None)


def client_id_of(connection: Connection, client: str | None) -> int | None:
    """None for None, which means every client. Raises ClientNotFound."""
    if client is None:
        return None
    found = connection.execute(select(clients.c.id).where(clients.c.name == client)).scalar()
    if found is None:
        raise ClientNotFound(name=client)
    return int(found)


def grants_of_users(connection: Connection, user_ids: Iterable[int]) -> dict[int, list[Grant]]:
    """The roles of each of these users, those for every client first, then by the client's name."""
    rows = connection.execute(
        select(user_roles.c.user_id, user_roles.c.role, user_roles.c.client_id, clients.c.name)
        .outerjoin(clients, clients.c.id == user_roles.c.client_id)
        .where(user_roles.c.user_id.in_(list(user_ids)))
        .order_by(user_roles.c.client_id.is_not(None), clients.c.name)
    )
    found: dict[int, list[Grant]] = {}
    for row in rows:
        found.setdefault(row.user_id, []).append(Grant(Role(row.role), row.client_id, row.name))
    return found


def replace_grant(connection: Connection, user_id: int, client_id: int | None, role: Role | None) -> None:
    """One role in the place of the one there; None: none any more."""
    here = user_roles.c.client_id.is_(None) if client_id is None else user_roles.c.client_id == client_id
    connection.execute(delete(user_roles).where(user_roles.c.user_id == user_id, here))
    if role is not None:
        row: dict[str, Any] = {"user_id": user_id, "client_id": client_id, "role": role.value}
        connection.execute(insert(user_roles).values(row))
