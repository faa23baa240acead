"""Programs that speak to the API with a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from taskserver.store import Role, Store
from taskserver.web.security.tokens import new_token


@dataclass
class Program:
    """Sends its token with each request; paths are below /api/v1."""

    http: TestClient
    token: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.token}", **self.headers, **more.pop("headers", {})}
        return self.http.request(method, f"/api/v1{path}", headers=headers, **more)

    def get(self, path: str, **more: Any) -> Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> Response:
        return self.ask("POST", path, json=json, **more) if json is not None else self.ask("POST", path, **more)


@pytest.fixture
def make_program(app: FastAPI, store: Store) -> Callable[..., Program]:
    http = TestClient(app, base_url="http://localhost:8742", follow_redirects=False)

    def make(role: Role, client: str | None = None, name: str | None = None, **more: Any) -> Program:
        token = new_token()
        store.tokens.add(
            name or f"{role} of {client or 'all'}",
            token.hash,
            prefix=token.prefix,
            role=role,
            client=client,
            **more,
        )
        return Program(http, token.text)

    return make


@pytest.fixture
def operator(make_program: Callable[..., Program], acme: Any) -> Program:
    return make_program(Role.OPERATOR, "acme")


@pytest.fixture
def viewer(make_program: Callable[..., Program], acme: Any) -> Program:
    return make_program(Role.VIEWER, "acme")


@pytest.fixture
def administrator(make_program: Callable[..., Program]) -> Program:
    return make_program(Role.ADMINISTRATOR)
