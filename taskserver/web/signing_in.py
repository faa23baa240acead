"""Signing in and out: from a name and a password, or a one-time link, to a session and its cookie."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from taskserver.errors import UsageError
from taskserver.store import Role
from taskserver.store.login_links import FIRST_ADMINISTRATOR, new_password_of
from taskserver.texts import mark
from taskserver.web.security.cookies import SESSION, VISIT
from taskserver.web.security.passwords import hashed, is_outdated, verified
from taskserver.web.security.throttle import TooManyAttempts
from taskserver.web.security.tokens import new_secret, secret_hash
from taskserver.web.visit import Visit

log = logging.getLogger("taskserver.web")

SHORTEST_IDLE = timedelta(minutes=30)


class WrongLogin(UsageError):
    """The same for an unknown name and a wrong password."""

    text = mark("the name or the password is not right")


class LinkUsedUp(UsageError):
    text = mark(
        "this link was used or is too old; sign in, or call `task_server console login-url` for a new one if "
        "there is no user yet"
    )


class PasswordLinkUsedUp(UsageError):
    text = mark("this link was used or is too old; an administrator can make another one")


def idle_time(lifetime: timedelta) -> timedelta:
    """After how long without a click a session ends: a quarter of its lifetime, half an hour at least."""
    return min(lifetime, max(lifetime / 4, SHORTEST_IDLE))


def sign_in(visit: Visit, name: str, password: str, response: Response) -> None:
    """Begins a session and puts its cookie into the answer. Raises WrongLogin, TooManyAttempts.

    An unknown name takes as long as a wrong password.
    """
    throttle = visit.console.throttle
    try:
        throttle.attempt(name, visit.source)
    except TooManyAttempts as error:
        log.warning("refused: a login from %s: %s", visit.source, error)
        raise
    store = visit.console.store
    known = store.users.credentials(name)
    if not verified(known[1] if known else None, password) or known is None:
        log.warning("wrong login from %s", visit.source)
        raise WrongLogin()
    throttle.succeeded(name, visit.source)
    user_id, password_hash = known
    if is_outdated(password_hash):
        store.users.renew_hash(user_id, password_hash, hashed_again(password, password_hash))
    begin_session(visit, user_id, name, response)


def hashed_again(password: str, old: str) -> str:
    """With today's effort; a password that would be refused today keeps the hash that it has."""
    try:
        return hashed(password, name="")
    except UsageError:
        return old


def begin_session(visit: Visit, user_id: int, name: str, response: Response) -> None:
    """A new session with a new id, whatever cookie the browser had: one that was planted is worth nothing."""
    console = visit.console
    lifetime = console.settings.console.session_lifetime
    secret = new_secret()
    with console.store.together():
        if visit.session_hash is not None:
            console.store.sessions.end(visit.session_hash)
        console.store.sessions.begin(secret_hash(secret), user_id, lifetime=lifetime, source=visit.source)
        console.store.audit.write("session.begin", actor=name, source=visit.source)
    console.store.sessions.prune(idle=idle_time(lifetime))
    visit.new_cookie = None
    console.cookies.put(response, SESSION, secret, seconds=int(lifetime.total_seconds()))
    console.cookies.drop(response, VISIT)


def sign_out(visit: Visit, response: Response) -> None:
    if visit.session_hash is not None and visit.principal is not None:
        with visit.console.store.together():
            visit.console.store.sessions.end(visit.session_hash)
            visit.console.store.audit.write("session.end", actor=visit.principal.actor, source=visit.source)
    visit.console.cookies.drop(response, SESSION)


def link_works(visit: Visit, link: str) -> bool:
    store = visit.console.store
    return not store.users.any() and store.login_links.works(secret_hash(link), FIRST_ADMINISTRATOR)


def make_first_administrator(visit: Visit, link: str, name: str, password: str, response: Response) -> None:
    """The first user, who may do everything, for whoever has the link. Raises LinkUsedUp, or what is wrong with
    the name or the password; then the link still works."""
    store = visit.console.store
    if not link_works(visit, link):
        raise LinkUsedUp()
    password_hash = hashed(password, name=name)
    with store.together():
        if not store.login_links.use(secret_hash(link), FIRST_ADMINISTRATOR) or store.users.any():
            raise LinkUsedUp()
        user = store.users.add(name, password_hash, role=Role.ADMINISTRATOR)
        store.audit.write("user.add", actor=name, source=visit.source, detail={"user": name, "by": "link"})
        begin_session(visit, user["id"], name, response)


def user_of_link(visit: Visit, link: str) -> dict[str, Any]:
    """Who may choose a password by this link. Raises PasswordLinkUsedUp."""
    user = visit.console.store.users.waits_for_password(secret_hash(link))
    if user is None:
        raise PasswordLinkUsedUp()
    return user


def choose_password(visit: Visit, link: str, password: str, response: Response) -> None:
    """Signs the user in with the new password, and out everywhere else.

    Raises PasswordLinkUsedUp, or what is wrong with the password; then the link still works.
    """
    store = visit.console.store
    name = user_of_link(visit, link)["name"]
    password_hash = hashed(password, name=name)
    with store.together():
        user = user_of_link(visit, link)
        if not store.login_links.use(secret_hash(link), new_password_of(user["id"])):
            raise PasswordLinkUsedUp()
        store.users.set_password_hash(user["name"], password_hash)
        detail = {"user": user["name"], "by": "link"}
        store.audit.write("user.set_password", actor=user["name"], source=visit.source, detail=detail)
        begin_session(visit, user["id"], user["name"], response)
