"""A browser without scripts for the tests of pages, and the password of every user in them."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

PASSWORD = "correct horse battery"


class Browser:
    """A person in front of a browser: keeps cookies, fills in the form of the page that is open, follows nothing
    by itself."""

    def __init__(self, app: FastAPI, *, base_url: str = "http://localhost:8742", **more: Any) -> None:
        self.http = TestClient(app, base_url=base_url, follow_redirects=False, **more)
        self.page: Response | None = None

    def get(self, path: str, **more: Any) -> Response:
        self.page = self.http.get(path, **more)
        return self.page

    def parts(self, path: str, names: str) -> Response:
        return self.http.get(path, headers={"X-Part": names})

    @property
    def csrf(self) -> str:
        """The token in the forms of the page that is open."""
        assert self.page is not None
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page.text)
        assert found, self.page.text
        return found[1]

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> Response:
        """Sends a form of the page that is open, with its token."""
        return self.http.post(path, data={"csrf_token": self.csrf, **(data or {})}, **more)

    def followed(self, response: Response) -> Response:
        """The page to which the answer leads."""
        assert response.status_code == 303, response.text
        return self.get(response.headers["location"])

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        self.get("/login")
        return self.post("/login", {"name": name, "password": password})
