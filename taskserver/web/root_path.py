"""Below which path a reverse proxy shows the console: each request is brought to one form.

The layers behind it find the root path in `root_path`, and at the beginning of `path`.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """`is_ours` knows the console's own addresses, without the root path.

    They are needed where a proxy takes the root path off, and an address of ours begins as it does: below /tasks,
    /tasks/new is a page or what is left of /tasks/tasks/new, and /new is none.
    """

    def __init__(self, app: ASGIApp, *, root_path: str, is_ours: Callable[[str], bool]) -> None:
        self._app = app
        self._root_path = root_path
        self._is_ours = is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._root_path and scope["type"] == "http":
            scope["root_path"] = self._root_path
            scope["path"] = self._whole(scope["path"])
        await self._app(scope, receive, send)

    def _whole(self, path: str) -> str:
        rest = path.removeprefix(self._root_path)
        begins_so = rest != path and rest[:1] in ("", "/")
        if not begins_so or (self._is_ours(path) and not self._is_ours(rest)):
            return self._root_path + path
        return self._root_path + (rest or "/")
