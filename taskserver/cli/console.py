"""`console`: serves the web console in the foreground; `console login-url`: the link for the first login."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from taskserver.cli.command import group, option
from taskserver.cli.output import note, print_json, say
from taskserver.cli.session import Session, pass_session
from taskserver.errors import TaskServerError
from taskserver.texts import mark, translate
from taskserver.web.packages import require_packages

if TYPE_CHECKING:
    from taskserver.config import ConsoleSettings


class HasUsers(TaskServerError):
    text = mark(
        "there are users already; `user set-password NAME` gives one of them a new password, `user add NAME "
        "--role administrator` adds another"
    )


@group(invoke_without_command=True, examples=["task_server console", "task_server console login-url"])
@option("--allow-root", is_flag=True, help=mark("Let the console work as root."))
@click.pass_context
def console(ctx: click.Context, allow_root: bool) -> None:
    """Serves the web console in the foreground.

    The daemon does so by itself where task_server.console.enabled is set. The log goes to standard error;
    Ctrl-C ends it.
    """
    session = Session.of(ctx)
    session.allow_root = session.allow_root or allow_root
    if ctx.invoked_subcommand is None:
        _serve(session)


@console.command("login-url", examples=["task_server console login-url"])
@pass_session
def login_url(session: Session) -> None:
    """Prints a link that makes the first administrator.

    It works once and for a day; a new one makes the earlier one worthless. Once there is a user, there is none.
    """
    require_packages()
    from taskserver.web.first_login import first_login_url

    link = first_login_url(session.store, session.settings.console)
    if link is None:
        raise HasUsers()
    if session.json:
        print_json({"url": link})
    else:
        say(link)


def _serve(session: Session) -> None:
    require_packages()
    from taskserver.daemon.look import look
    from taskserver.web.app import create_app
    from taskserver.web.first_login import first_login_url
    from taskserver.web.serving import ConsoleServer, bind

    settings = session.settings
    _require_leave_of_root(session)
    listening = bind(settings.console)  # before root is given up, and before anything is opened
    store = session.store
    app = create_app(store=store, settings=settings, server_status=lambda: look(settings.users_dir)[1])
    server = ConsoleServer(app, settings.console, listening)
    link = first_login_url(store, settings.console)
    with _log_to_stderr(debug=settings.debug), _stopped_by_signals(server):
        server.serve(ready=lambda: _tell_address(settings.console, link))


def _require_leave_of_root(session: Session) -> None:
    """Raises RootRefused where root would stay root and serve the network so, as `start` does."""
    from taskserver.cli import root

    if os.geteuid() == 0 and root.owner_of_database(session.settings) is None:
        session.daemon_identity()


def _tell_address(settings: ConsoleSettings, link: str | None) -> None:
    from taskserver.web.first_login import base_url

    note(translate("the console is served at {address}", address=base_url(settings) + "/"))
    if link:
        note(translate("there is no user yet; this link makes the first administrator: {link}", link=link))


@contextmanager
def _log_to_stderr(*, debug: bool) -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("taskserver", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@contextmanager
def _stopped_by_signals(server: Any) -> Iterator[None]:
    """The first signal lets requests under way end; the second ends at once."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        server.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
