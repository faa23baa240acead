"""What the forms of several pages read: one line, whole numbers, a role, the form as it came."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from taskserver.errors import UsageError
from taskserver.store import Role
from taskserver.texts import mark

LONGEST = 2000


class NotAWholeNumber(UsageError):
    text = mark("{field} must be a whole number from {least} to {most}, not {value!r}")


async def _typed(request: Request) -> dict[str, str]:
    """The form as it came, for pages whose fields depend on what is edited."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


Typed = Annotated[dict[str, str], Depends(_typed)]


def word(typed: dict[str, str], name: str) -> str:
    """One line that was typed, without what no database stores and nobody means."""
    return typed.get(name, "").replace("\0", "").strip()[:LONGEST]


def whole_number(field: str, text: str, *, least: int, most: int) -> int | None:
    """None for nothing. Raises NotAWholeNumber."""
    text = text.strip()
    if not text:
        return None
    try:
        value = int(text) if len(text) < 20 else most + 1
    except ValueError:
        value = most + 1
    if not least <= value <= most:
        raise NotAWholeNumber(field=field, least=least, most=most, value=text[:50])
    return value


def role(text: str) -> Role | None:
    """None for no role, and for a word that is none."""
    return Role(text) if text in set(Role) else None
