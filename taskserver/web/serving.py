"""Serves the console with uvicorn: one process, endpoints in a few threads, and no patience for slow clients.

uvicorn waits without end for a client that does not say what it wants, and for one that takes no answer; `Patient`
does not where others need the room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio.to_thread
import h11
import uvicorn
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from taskserver.config import ConsoleSettings
from taskserver.errors import TaskServerError
from taskserver.texts import mark
from taskserver.web.rarely import Rarely

log = logging.getLogger("taskserver.web")

SECONDS_FOR_HEAD = 10.0
SECONDS_IDLE = 15
SECONDS_TO_FINISH = 10
CONNECTIONS = 300
WAITING_CONNECTIONS = 200
"""So many may wait for their clients; with one more the oldest of whoever has most of them is cut off. Else who
opens 300, and says nothing more, would keep out everybody."""

SECONDS_UNTIL_ROOM = 5

THREADS = 12
"""Fewer than SQLAlchemy's pool has connections: none waits for one."""


PROTOCOL_LOG = "uvicorn.error.protocol"
"""Of uvicorn's protocol. Its warnings say of nobody that a request is no HTTP; `Patient` says of whom."""


class CannotListen(TaskServerError):
    text = mark(
        "the console can't listen on {host} port {port}: {reason}; change task_server.console.port or host"
    )


class CannotUseCertificate(TaskServerError):
    text = mark("the console can't use tls_certificate and tls_key ({files}): {reason}")


def _host(peer: tuple[Any, ...] | None) -> str:
    """The address of a peer, for the log: on a socket for both, 10.0.0.1 comes as ::ffff:10.0.0.1."""
    return str(peer[0]).removeprefix("::ffff:") if peer else "?"


class Patient(H11Protocol):
    """Ends a connection whose request has not said what it wants in time, or says what is no HTTP."""

    seconds_for_head = SECONDS_FOR_HEAD
    most_waiting = WAITING_CONNECTIONS
    quiet_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, rarely: Rarely, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.logger = logging.getLogger(PROTOCOL_LOG)
        self._rarely = rarely
        self._served, self.app = self.app, self._serve_or_refuse

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.client is not None:
            self.client = (_host(self.client), self.client[1])
        self.quiet_since = self.loop.time()
        self._begin_to_wait()
        self._make_room()

    def on_response_complete(self) -> None:
        self.quiet_since = self.loop.time()
        super().on_response_complete()

    @property
    def is_quiet(self) -> bool:
        """Whether no request is under way on it, and it is not being closed either."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: to ask, to send the rest of a body, or to take an answer.

        Also where the connection is being closed, which lasts as long as the client takes nothing.
        """
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body or self.flow.write_paused

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.is_quiet:
            self._begin_to_wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        log.warning("refused: a request from %s that is no HTTP", _host(self.client))
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # an answer is under way
            self.transport.close()

    def _begin_to_wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.seconds_for_head, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.is_quiet:
            return
        log.warning(
            "refused: a request from %s whose head did not arrive in %.0f s",
            _host(self.client),
            self.seconds_for_head,
        )
        self.transport.close()

    def _make_room(self) -> None:
        waiting = [each for each in self.connections if isinstance(each, Patient) and each.waits]
        if len(waiting) <= self.most_waiting:
            return
        of_hosts = Counter(_host(each.client) for each in waiting)
        oldest = min(waiting, key=lambda each: (-of_hosts[_host(each.client)], each.quiet_since))
        self._rarely.warning(
            "refused: a connection from %s that says nothing more, for another one; %d are open",
            _host(oldest.client),
            len(self.connections),
        )
        self.connections.discard(oldest)  # else it would be found again before the loop has told it of its end
        oldest.transport.abort()

    async def _serve_or_refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        await (self._served if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is said before anything else looks at the request, and for the last time on this connection."""
        source = _host(self.client)
        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:  # RFC 9112, 6.3
            log.warning("refused: a request from %s that says in two ways how long it is", source)
            return PlainTextResponse("Bad Request\n", 400, {"connection": "close"})
        # uvicorn's own limit_concurrency would say nothing of whom it refuses.
        if max(len(self.connections), len(self.tasks)) > CONNECTIONS:
            self._rarely.warning(
                "refused: a request from %s, since %d connections are open already", source, CONNECTIONS
            )
            headers = {"connection": "close", "retry-after": str(SECONDS_UNTIL_ROOM)}
            return PlainTextResponse("Service Unavailable\n", 503, headers)
        return None


class _Loop(asyncio.SelectorEventLoop):
    """Gives a TLS handshake no more time than a request's head, and tells of one that fails.

    uvicorn has no setting for the first, and asyncio says nothing.
    """

    async def create_server(self, *arguments: Any, **more: Any) -> asyncio.Server:
        if more.get("ssl") is not None:
            more["ssl_handshake_timeout"] = Patient.seconds_for_head
        return await super().create_server(*arguments, **more)

    def _make_ssl_transport(self, *arguments: Any, **more: Any) -> Any:
        """asyncio's own, alike in 3.11 to 3.13: listened to, and if it is another one day, not even that."""
        peer = (more.get("extra") or {}).get("peername")

        def tell(shaken: asyncio.Future[None]) -> None:
            error = None if shaken.cancelled() else shaken.exception()
            if error is not None:
                log.warning("refused: a TLS handshake from %s: %s", _host(peer), error)

        waiter = more.get("waiter")
        if isinstance(waiter, asyncio.Future):
            waiter.add_done_callback(tell)
        return super()._make_ssl_transport(*arguments, **more)  # type: ignore[misc]


def bind(settings: ConsoleSettings) -> socket.socket:
    """The listening socket: bound before anything else is begun, so that a taken port is one sentence.

    Raises CannotListen.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # asyncio sends at once (TCP_NODELAY) only where the protocol is said: else an answer waits 40 ms for the
        # acknowledgement of its own head.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(128)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotListen(host=settings.host, port=settings.port, reason=reason) from None
    return bound


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's affair."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First ends what would last: it has nothing to finish."""
        state = getattr(self.config.app, "state", None)
        console = getattr(state, "console", None)
        if console is not None:
            console.listeners.end_all()
        await super().shutdown(sockets)


class ConsoleServer:
    """One server. `serve` returns when it has been told to stop and the requests under way have ended."""

    def __init__(self, app: FastAPI, settings: ConsoleSettings, listening: socket.socket) -> None:
        self._listening = listening
        logging.getLogger(PROTOCOL_LOG).setLevel(logging.ERROR)
        proxies = list(settings.trusted_proxies)
        config = uvicorn.Config(
            app,
            http=partial(Patient, rarely=Rarely(log)),  # type: ignore[arg-type]  # called, never asked what it is
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies or None,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            timeout_keep_alive=SECONDS_IDLE,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
            h11_max_incomplete_event_size=32 * 1024,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(str(file) for file in (settings.tls_certificate, settings.tls_key) if file)
            raise CannotUseCertificate(files=files, reason=error.strerror or error) from None
        self._server = _Server(config)

    def stop(self) -> None:
        """From any thread or signal handler."""
        self._server.should_exit = True

    def serve(self, ready: Callable[[], None] | None = None) -> None:
        """Serves in this thread, whose signal handlers stay. `ready` is called once requests are taken."""
        with contextlib.closing(self._listening), asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None] | None) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        serving = asyncio.ensure_future(self._server.serve([self._listening]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        if ready is not None and self._server.started:
            ready()
        await serving
