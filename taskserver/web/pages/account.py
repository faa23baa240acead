"""One's own account: password, language, time zone, theme, shortcuts, and where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form
from starlette.responses import Response

from taskserver.config.machine import is_time_zone
from taskserver.errors import UsageError
from taskserver.texts import LANGUAGES, mark, plural, translate, use_language
from taskserver.web.moments import zones
from taskserver.web.pages import page_router
from taskserver.web.security.passwords import SHORTEST, NotTheSame
from taskserver.web.visit import Visiting

router = page_router()

THEMES = ("light", "dark")


class UnknownZone(UsageError):
    text = mark("there is no time zone {name}; take one as Europe/Berlin")


@router.get("/account")
def account(visit: Visiting) -> Response:
    return visit.render(
        "account.html",
        user=visit.scope.account.get(),
        sessions=visit.scope.account.sessions(),
        here=visit.session_hash,
        zones=zones(),
        default_zone=visit.console.settings.time_zone,
        shortest=SHORTEST,
    )


@router.post("/account/settings")
def settings(
    visit: Visiting,
    language: Annotated[str, Form()] = "",
    time_zone: Annotated[str, Form(max_length=100)] = "",
    theme: Annotated[str, Form()] = "",
    shortcuts: Annotated[bool, Form()] = False,
) -> Response:
    def change() -> None:
        zone = time_zone.strip()
        if zone and not is_time_zone(zone):
            raise UnknownZone(name=zone)
        visit.scope.account.edit(
            language=language if language in LANGUAGES else None,
            time_zone=zone or None,
            theme=theme if theme in THEMES else None,
            shortcuts=shortcuts,
        )
        if language in LANGUAGES:
            use_language(language)  # what is said about it is said in the new one

    return visit.attempt(change, told=lambda _: translate("Your settings are saved."), back="/account")


@router.post("/account/password")
def password(
    visit: Visiting,
    present: Annotated[str, Form(max_length=2000)],
    new: Annotated[str, Form(max_length=2000)],
    again: Annotated[str, Form(max_length=2000)],
) -> Response:
    def change() -> None:
        visit.console.throttle.attempt(f"account {visit.scope.principal.name}", visit.source)
        if new != again:
            raise NotTheSame()
        visit.scope.account.set_password(present, new, keep_session=visit.session_hash)
        visit.console.throttle.succeeded(f"account {visit.scope.principal.name}", visit.source)

    told = translate("Your password is changed; you are signed out everywhere else.")
    return visit.attempt(change, told=told, back="/account")


@router.post("/account/sessions/end-others")
def end_others(visit: Visiting) -> Response:
    return visit.attempt(
        lambda: visit.scope.account.end_other_sessions(visit.session_hash or ""),
        told=lambda count: plural(
            "{count} other session is ended.", "{count} other sessions are ended.", int(count)
        ),
        back="/account",
    )
