"""The console's cookies: one that says who is signed in, and one for visitors who are not yet."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import cookie_parser
from starlette.responses import Response

SESSION = "taskserver_session"
VISIT = "taskserver_visit"

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Cookies:
    """How cookies are set: below `path` alone, and over https alone where the console is reached by it."""

    path: str
    secure: bool

    @staticmethod
    def read(header: str, name: str) -> str | None:
        """The secret in the cookie of that name; None for none, or for what can't be one of ours."""
        value = cookie_parser(header).get(name)
        return value if value and len(value) <= _LONGEST and value.isascii() else None

    def put(self, response: Response, name: str, secret: str, *, seconds: int | None = None) -> None:
        """Without `seconds` the cookie goes with the browser's window."""
        response.set_cookie(
            name,
            secret,
            max_age=seconds,
            path=self.path,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path=self.path, secure=self.secure, httponly=True, samesite="lax")
