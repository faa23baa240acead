"""The static files: read once, served under an address that changes with them, and so kept by browsers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from taskserver.web.pages import page_router
from taskserver.web.visit import PageNotFound

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """`base` is the path below which the files of this version are."""

    def __init__(self, folder: Path = STATIC) -> None:
        files = sorted(path for path in folder.iterdir() if path.suffix in TYPES)
        self._files = {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in files}
        version = hashlib.sha256(b"\0".join(name.encode() + data for name, (data, _) in self._files.items()))
        self.version = version.hexdigest()[:12]
        self.base = f"/static/{self.version}"
        self.router = page_router()
        self.router.add_api_route("/static/{version}/{name}", self._serve, methods=["GET", "HEAD"])
        self.router.add_api_route("/favicon.ico", self._icon, methods=["GET", "HEAD"])

    async def _serve(self, version: str, name: str, request: Request) -> Response:
        found = self._files.get(name)
        if found is None:
            raise PageNotFound()
        content, kind = found
        keep = _FOR_EVER if version == self.version else "no-cache"
        return Response(content, media_type=kind, headers={"cache-control": keep})

    async def _icon(self) -> Response:
        content, kind = self._files["icon.svg"]
        return Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})
