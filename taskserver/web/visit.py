"""One request as routes see it: who asks, what they may reach, and how to answer.

The gate makes it before any route runs. Routes get it as a parameter of the type `Visiting`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends
from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from taskserver.config import Settings
from taskserver.database import DatabaseFault
from taskserver.errors import NotAllowed, NotFound, TaskServerError
from taskserver.store import Role
from taskserver.texts import language, mark, translate
from taskserver.web import moments
from taskserver.web.kept import Looks, UsualDurations
from taskserver.web.listeners import Listeners
from taskserver.web.metrics import Metrics
from taskserver.web.navigation import entries_for
from taskserver.web.scope import Principal, Scope
from taskserver.web.security.cookies import VISIT, Cookies
from taskserver.web.security.throttle import Throttle
from taskserver.web.security.turns import Turns

if TYPE_CHECKING:
    from taskserver.store import Store
    from taskserver.web.status import ServerStatus
    from taskserver.web.templating import Templates

PART_HEADER = "x-part"
FLASH_PART = "part_flash"
_LONGEST_PARTS = 500


@dataclass(frozen=True)
class Console:
    """What all requests share; `app.state.console`."""

    store: Store
    settings: Settings
    templates: Templates
    status: ServerStatus
    cookies: Cookies
    throttle: Throttle
    own_hosts: frozenset[str]
    assets: str
    """The path of the static files of this version."""
    pages: frozenset[str] = frozenset()
    """Paths of pages that there are."""
    usual: UsualDurations = field(default_factory=UsualDurations)
    looks: Looks = field(default_factory=Looks)
    turns: Turns = field(default_factory=Turns)
    listeners: Listeners = field(default_factory=Listeners)
    metrics: Metrics = field(default_factory=Metrics)


@dataclass
class Visit:
    """`principal` is None for a stranger; then there is no scope either."""

    console: Console
    request: Request
    principal: Principal | None = None
    session_hash: str | None = None
    csrf: str = ""
    has_flash: bool = False
    """Whether there are messages for the next page."""
    new_cookie: str | None = None
    """The secret of a visitor's cookie that is to be set with the answer."""

    @property
    def scope(self) -> Scope:
        """The door to the database, for whoever is signed in. Only routes that strangers can't reach ask."""
        if self.principal is None:
            raise LookupError("a stranger has no scope")
        return Scope(self.console.store, self.principal, source=self.source)

    @property
    def source(self) -> str:
        client = self.request.client
        return client.host if client else ""

    @property
    def is_refresh(self) -> bool:
        """Whether only parts of the page are wanted, to bring it up to date."""
        return PART_HEADER in self.request.headers

    @cached_property
    def autostart(self) -> bool:
        return self.scope.server.autostart()

    @property
    def now(self) -> datetime:
        """The database's time."""
        return self.console.store.database.now() if self.principal is None else self.scope.now()

    # --- addresses

    def url(self, path: str, **query: Any) -> str:
        """An address of ours, below the root path; a query's None is left out."""
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        root = self.console.settings.console.root_path
        return f"{root}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def public_url(self, path: str, **query: Any) -> str:
        """The same with the host before it, to be sent to somebody. The Host header was checked."""
        host = self.console.settings.console.public_url
        return (host or f"{self.request.url.scheme}://{self.request.headers['host']}") + self.url(path, **query)

    def asset(self, name: str) -> str:
        return self.url(f"{self.console.assets}/{name}")

    @property
    def path(self) -> str:
        """The path asked for, without the root path."""
        return get_route_path(self.request.scope)

    # --- answers

    def sentence_of(self, error: TaskServerError) -> str:
        """What may be told of an error: a database's file, host and user are for administrators of all clients."""
        everything = self.principal is not None and self.principal.may_everywhere(Role.ADMINISTRATOR)
        if isinstance(error, DatabaseFault) and not everything:
            return translate("the database can't be used at the moment; the log says why.")
        return error.message()

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        kept: Mapping[str, dict[Hashable, str]] | None = None,
        **values: Any,
    ) -> Response:
        """The page, or the parts of it that the request's header X-Part names, each once.

        `kept`: parts that are drawn once for all who look at the same with the same rights, language and zone, and
        where they are kept meanwhile. Such a part holds nothing that is one person's own.
        """
        values = {**self._values(), **values}
        wanted = self.request.headers.get(PART_HEADER)
        if wanted is None or status != 200:
            page = self.console.templates.page(template, {**values, "flash": self._take_flash()})
            response: Response = HTMLResponse(page, status_code=status)
        else:
            names = list(dict.fromkeys(wanted[:_LONGEST_PARTS].split()))
            # A page that brings itself up to date must not take away what the next page is to say.
            flash = self._take_flash() if FLASH_PART in names else []
            values["flash"] = flash
            parts = [self._part(template, name, values, (kept or {}).get(name)) for name in names]
            told = [part for part in parts if part is not None]
            response = HTMLResponse("\n".join(told)) if len(told) == len(parts) else Response(status_code=404)
        response.headers["vary"] = "X-Part, Cookie, Accept-Language"
        return self.sealed(response)

    def redirect(self, path: str, *, told: str | None = None, kind: str = "good", **query: Any) -> Response:
        """303 to one of our pages, where `told` stands at the top.

        The script that sends forms in place asks for parts; it is told where to go on, and does so itself.
        """
        if told:
            self.tell(told, kind=kind)
        there = self.url(path, **query)
        if self.is_refresh and self.request.method == "POST":
            return self.sealed(Response(status_code=204, headers={"x-location": there}))
        return self.sealed(RedirectResponse(there, status_code=303))

    def attempt(
        self, action: Callable[[], Any], *, told: str | Callable[[Any], str] | None = None, back: str, **query: Any
    ) -> Response:
        """Acts, then goes back: with `told`, or with the sentence of what was refused.

        What is not there, and what is forbidden, become pages of their own.
        """
        try:
            answer = action()
        except (NotFound, NotAllowed, DatabaseFault):
            raise
        except TaskServerError as error:
            return self.redirect(back, told=error.message(), kind="bad", **query)
        return self.redirect(back, told=told(answer) if callable(told) else told, **query)

    def tell(self, text: str, *, kind: str = "good") -> None:
        """A message at the top of the next page: `kind` is good, bad or note."""
        if self.session_hash is not None:
            self.console.store.sessions.tell(self.session_hash, {"kind": kind, "text": text})
            self.has_flash = True

    def sealed(self, response: Response) -> Response:
        """The answer with the visitor's cookie, where there was none."""
        if self.new_cookie is not None:
            self.console.cookies.put(response, VISIT, self.new_cookie)
        return response

    # ---

    def _take_flash(self) -> list[dict[str, str]]:
        if not self.has_flash or self.session_hash is None:
            return []
        self.has_flash = False
        return self.console.store.sessions.take_messages(self.session_hash)

    def _part(
        self, template: str, name: str, values: dict[str, Any], kept: dict[Hashable, str] | None
    ) -> str | None:
        key = (name, self.principal and self.principal.grants, language(), moments.zone_name())
        drawn = kept.get(key) if kept is not None else None
        if drawn is None:
            drawn = self.console.templates.part(template, name, values)
            if kept is not None and drawn is not None:
                kept[key] = drawn
        return drawn

    def _values(self) -> dict[str, Any]:
        """What every template may use."""
        return {
            "visit": self,
            "principal": self.principal,
            "url": self.url,
            "asset": self.asset,
            "csrf": self.csrf,
            "now": self.now,
            "navigation": self.navigation(),
            "banners": self._banners(),
            "theme": self.principal.theme if self.principal else None,
            "shortcuts": self.principal.shortcuts if self.principal else False,
            "refresh_seconds": self.console.settings.console.refresh_interval.total_seconds(),
        }

    def navigation(self) -> list[Any]:
        if self.principal is None:
            return []
        manager = self.console.settings.console.show_task_manager
        return list(entries_for(self.principal, self.console.pages, task_manager=manager))

    def _banners(self) -> list[dict[str, str]]:
        """What everybody who is signed in must know, whatever page they look at."""
        if self.principal is None:
            return []
        try:
            waiting = None if self.autostart else self.console.looks.counts(self.scope)["waiting"]
            return self.console.status.banners(waiting)
        except DatabaseFault as error:
            return [{"kind": "bad", "text": self.sentence_of(error)}]


async def _visit(request: Request) -> Visit:
    visit: Visit = request.state.visit
    return visit


Visiting = Annotated[Visit, Depends(_visit)]


class PageNotFound(NotFound):
    """For a route that finds nothing: the same as for an unknown address."""

    text = mark("there is no such page")
