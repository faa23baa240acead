"""The OpenAPI document: FastAPI's, with what all routes share said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from taskserver.web.api.routing import PROBLEM

_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def document_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A function for `app.openapi`."""
    build = app.openapi

    def document() -> dict[str, Any]:
        made = build()
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" in schemas:
            return made
        schemas["Problem"] = PROBLEM
        for operations in made["paths"].values():
            for operation in operations.values():
                for answer in operation["responses"].values():
                    told = answer.get("content", {}).get("application/problem+json")
                    if told is not None:
                        told["schema"] = _REFERENCE
        return made

    return document
