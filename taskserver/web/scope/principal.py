"""Who asks: a user or a token, with the roles that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taskserver.errors import NotAllowed
from taskserver.store.roles import Grant, Role, highest
from taskserver.texts import mark, translate

ROLE_WORDS = {
    Role.VIEWER: mark("viewer"),
    Role.OPERATOR: mark("operator"),
    Role.ADMINISTRATOR: mark("administrator"),
}


class Forbidden(NotAllowed):
    """`needs` is a Role; it is shown in the reader's language."""

    text = mark("this needs the role {needs}")

    def message(self) -> str:
        return translate(self.text, needs=translate(ROLE_WORDS[self.fields["needs"]]))


class ForbiddenHere(Forbidden):
    text = mark("this needs the role {needs} for all clients")


@dataclass(frozen=True, slots=True)
class Principal:
    """Read anew for each request: what a role allowed a moment ago may be forbidden now."""

    name: str
    kind: Literal["user", "token"] = "user"
    grants: tuple[Grant, ...] = ()
    user_id: int | None = None
    identity: str = ""
    """Tells it from a later one of the same name: of a user the id, of a token its hash."""
    language: str | None = None
    time_zone: str | None = None
    theme: str | None = None
    shortcuts: bool = True

    @property
    def actor(self) -> str:
        """As the audit and `created_by` have it: a token can't be taken for a user of the same name,
        and no user is named like that."""
        return self.name if self.kind == "user" else f"token {self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """By which it is told from everybody else, whatever the names."""
        return self.kind, self.identity

    @property
    def everywhere(self) -> Role | None:
        """The role for all clients."""
        return highest(grant.role for grant in self.grants if grant.client_id is None)

    def role_in(self, client_id: int) -> Role | None:
        return highest(grant.role for grant in self.grants if grant.client_id in (None, client_id))

    def may(self, role: Role, client_id: int) -> bool:
        mine = self.role_in(client_id)
        return mine is not None and mine.includes(role)

    def may_everywhere(self, role: Role) -> bool:
        mine = self.everywhere
        return mine is not None and mine.includes(role)

    def require(self, role: Role, client_id: int) -> None:
        """Raises Forbidden. What the principal can't even see must have been said not to be there before."""
        if not self.may(role, client_id):
            raise Forbidden(needs=role)

    def require_everywhere(self, role: Role) -> None:
        if not self.may_everywhere(role):
            raise ForbiddenHere(needs=role)

    def require_somewhere(self, role: Role) -> None:
        if not self.may_somewhere(role):
            raise Forbidden(needs=role)

    def may_somewhere(self, role: Role) -> bool:
        return any(grant.role.includes(role) for grant in self.grants)

    def where(self, role: Role) -> frozenset[int] | None:
        """The ids of the clients in which it has this role; None: in all of them, also in later ones."""
        if self.may_everywhere(role):
            return None
        return frozenset(
            grant.client_id for grant in self.grants if grant.client_id is not None and grant.role.includes(role)
        )

    @property
    def visible(self) -> frozenset[int] | None:
        """The ids of the clients that it may see; None: all."""
        return self.where(Role.VIEWER)
