"""The console as the daemon's child, a program of its own: started by `console.ConsoleKeeper` and by nobody else.

    python -P -s -m taskserver.daemon.console_program DESCRIPTOR DAEMON_PID background|foreground < SETTINGS

It is who the daemon is, has nothing of it open but the streams and the pipe DESCRIPTOR, on which it tells
{"ready": address} or {"failed": sentence}, and dies with the daemon. SIGTERM lets requests under way end.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from taskserver.daemon import confinement, look
from taskserver.daemon.logs import Logs
from taskserver.errors import EXIT_ERROR, EXIT_OK, TaskServerError
from taskserver.texts import translate

if TYPE_CHECKING:
    from taskserver.config import Settings
    from taskserver.store import Store
    from taskserver.web.serving import ConsoleServer

FOREGROUND = "foreground"
PLACE_SECONDS = 2.0
"""How often it is looked whether the database's file is still the one that was opened."""

_PR_SET_PDEATHSIG = 1
_NICENESS = 10
"""Jobs come before pages where both want the processor."""


class Pipe:
    """The child's end of the pipe to the daemon."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.has_failed = False

    def ready(self, address: str) -> None:
        self._send({"ready": address})

    def failed(self, text: str) -> None:
        self.has_failed = True
        self._send({"failed": text})

    def _send(self, message: dict[str, str]) -> None:
        os.write(self._descriptor, json.dumps(message).encode() + b"\n")


def main(arguments: list[str]) -> int:
    descriptor, daemon, place = int(arguments[0]), int(arguments[1]), arguments[2]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != daemon:
        return EXIT_ERROR
    confinement.hide_memory()
    _give_way()
    os.set_inheritable(descriptor, False)
    pipe = Pipe(descriptor)
    settings: Settings = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the daemon that we are a part of
    _forget_input()
    log = Logs(foreground=place == FOREGROUND)
    try:
        log.open(settings)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        _serve(settings, pipe, on_terminal=place == FOREGROUND and os.isatty(sys.stderr.fileno()))
    except TaskServerError as error:
        pipe.failed(str(error))
    except Exception as error:  # the service loop of this process: the daemon must hear of it
        log.logger.exception("the console has failed")
        pipe.failed(f"{type(error).__name__}: {error}")
    finally:
        log.close()
    return EXIT_ERROR if pipe.has_failed else EXIT_OK


def _serve(settings: Settings, pipe: Pipe, *, on_terminal: bool) -> None:
    """Until SIGTERM. Raises CannotListen, CannotUseCertificate, and what a database says that is not there."""
    from taskserver.store import Store
    from taskserver.web.app import create_app
    from taskserver.web.first_login import base_url
    from taskserver.web.serving import ConsoleServer, bind

    listening = bind(settings.console)
    with Store.open(settings.database) as store:
        store.database.pin()
        app = create_app(store=store, settings=settings, server_status=lambda: look.look(settings.users_dir)[1])
        server = ConsoleServer(app, settings.console, listening)
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        watch = threading.Thread(target=_watch_place, args=(store, server, pipe), name="place", daemon=True)
        watch.start()

        def ready() -> None:
            pipe.ready(base_url(settings.console) + "/")
            if on_terminal:
                _print_first_link(store, settings)

        server.serve(ready=ready)


def _forget_input() -> None:
    """A password is in the settings: they lie about no longer than they must."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, sys.stdin.fileno())
    os.close(null)


def _give_way() -> None:
    try:
        os.nice(_NICENESS)
    except OSError:  # a sandbox may forbid it
        return


def _watch_place(store: Store, server: ConsoleServer, pipe: Pipe) -> None:
    """A file that was removed or replaced would be shown for ever; the next start opens the new one."""
    rest = threading.Event()
    while not rest.wait(PLACE_SECONDS):
        try:
            store.database.require_in_place()
        except TaskServerError as error:
            pipe.failed(str(error))
            server.stop()
            return


def _print_first_link(store: Store, settings: Settings) -> None:
    """To whoever watches the daemon in a terminal; a log must not have it."""
    from taskserver.web.first_login import first_login_url

    link = first_login_url(store, settings.console)
    if link:
        told: Any = translate("there is no user yet; this link makes the first administrator: {link}", link=link)
        sys.stderr.write(f"{told}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
