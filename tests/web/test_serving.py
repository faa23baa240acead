"""The server itself: a taken port, a client that says nothing, an end while requests are under way."""

from __future__ import annotations

import contextlib
import http.client
import logging
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from taskserver.config import ConsoleSettings
from taskserver.store import Role
from taskserver.web import serving, signing_in
from taskserver.web.security.tokens import new_token
from taskserver.web.security.turns import MOST_OF_ONE
from taskserver.web.serving import CannotListen, CannotUseCertificate, ConsoleServer, bind

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages

Serve = Callable[..., tuple[ConsoleServer, int, threading.Thread]]


@pytest.fixture
def serve(make_settings: Callable[..., Any]) -> Iterator[Serve]:
    """Serves an application in a thread; its port."""
    with contextlib.ExitStack() as stack:

        def begin(app: Any, **console: Any) -> tuple[ConsoleServer, int, threading.Thread]:
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            server = ConsoleServer(app, make_settings(**console).console, listening)
            ready = threading.Event()
            thread = threading.Thread(target=server.serve, args=(ready.set,))
            thread.start()
            stack.callback(thread.join, 30)
            stack.callback(server.stop)
            assert ready.wait(30)
            return server, port, thread

        yield begin


@pytest.fixture
def connect() -> Iterator[Callable[..., http.client.HTTPConnection]]:
    with contextlib.ExitStack() as stack:

        def make(port: int, **more: Any) -> http.client.HTTPConnection:
            kind = http.client.HTTPSConnection if more else http.client.HTTPConnection
            return stack.enter_context(contextlib.closing(kind("127.0.0.1", port, timeout=20, **more)))

        yield make


def test_it_answers_and_ends_when_told(app, serve, connect):
    server, port, thread = serve(app)
    connection = connect(port)
    connection.request("GET", "/login")

    status = connection.getresponse().status
    server.stop()
    thread.join(30)

    assert status == 200
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_request_under_way_is_answered_before_the_end(serve, connect):
    begun, go_on = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        import anyio.to_thread

        begun.set()
        await anyio.to_thread.run_sync(go_on.wait, 20)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    server, port, thread = serve(app)
    answers = []

    def ask():
        connection = connect(port)
        connection.request("GET", "/")
        answers.append(connection.getresponse().read())

    client = threading.Thread(target=ask)
    client.start()
    assert begun.wait(20)
    server.stop()
    eventually(lambda: not _takes_connections(port), what="the end of listening")
    go_on.set()
    client.join(20)
    thread.join(20)

    assert answers == [b"done"]
    assert not thread.is_alive()


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("head", [b"", b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-", b"GET"])
def test_a_client_that_does_not_say_what_it_wants_is_left(app, serve, monkeypatch, caplog, head):
    monkeypatch.setattr(serving.Patient, "seconds_for_head", 0.3)
    _, port, _ = serve(app)

    with caplog.at_level(logging.WARNING, "taskserver.web"), socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(head)
        slow.settimeout(20)
        rest = slow.recv(1000)

    assert rest == b""
    assert "did not arrive" in caplog.text


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_one_line_that_says_whose_it_is(app, serve, caplog, said):
    _, port, _ = serve(app)

    with caplog.at_level(logging.DEBUG), socket.create_connection(("127.0.0.1", port), timeout=20) as odd:
        odd.sendall(said)
        answer = odd.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    refused = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.name, record.getMessage()) for record in refused] == [
        ("taskserver.web", "refused: a request from 127.0.0.1 that is no HTTP")
    ]


def test_a_request_that_says_its_length_in_two_ways_ends_the_connection(app, serve, caplog):
    """A proxy may go by the one and we by the other: then the rest of a body would be a request of somebody's."""
    _, port, _ = serve(app)
    twice = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    another = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    with caplog.at_level(logging.WARNING), socket.create_connection(("127.0.0.1", port), timeout=20) as odd:
        odd.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + twice + another)
        answer = odd.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [record.getMessage() for record in caplog.records] == [
        "refused: a request from 127.0.0.1 that says in two ways how long it is"
    ]


def test_what_is_no_http_in_the_middle_of_an_answer_ends_the_connection(serve, caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    _, port, _ = serve(app)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

    with caplog.at_level(logging.WARNING), socket.create_connection(("127.0.0.1", port), timeout=20) as odd:
        odd.sendall(head)
        answer = odd.makefile("rb")
        begun = answer.readline()
        odd.sendall(b"no number\r\n")
        answer.read()

    assert begun.startswith(b"HTTP/1.1 200 ")
    assert [record.getMessage() for record in caplog.records] == [
        "refused: a request from 127.0.0.1 that is no HTTP"
    ]


def test_a_fault_of_the_application_is_still_told(serve, connect, caplog):
    async def app(scope, receive, send):
        raise RuntimeError("broken")

    _, port, _ = serve(app)
    connection = connect(port)
    connection.request("GET", "/")
    status = connection.getresponse().status

    assert status == 500
    assert "broken" in caplog.text


def test_dripping_a_head_letter_by_letter_buys_no_time(app, serve, monkeypatch):
    monkeypatch.setattr(serving.Patient, "seconds_for_head", 0.5)
    _, port, _ = serve(app)

    def drip(connection: socket.socket) -> bool:
        try:
            connection.sendall(b"a")
            connection.settimeout(0.01)
            return connection.recv(100) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX-Drip: ")
        eventually(lambda: drip(slow), what="the end of the connection")


def test_a_second_request_on_the_same_connection_has_its_own_time(app, serve, connect, monkeypatch):
    monkeypatch.setattr(serving.Patient, "seconds_for_head", 0.5)
    _, port, _ = serve(app)
    connection = connect(port)

    for _ in range(3):
        connection.request("GET", "/login")
        response = connection.getresponse()
        assert response.status == 200
        response.read()


def test_answers_are_sent_at_once(make_settings):
    """A connection that waits for acknowledgements makes every request after the first 40 ms slower."""
    seen = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = make_settings(port=port).console
    server = ConsoleServer(app, settings, bind(settings))
    connection_made = serving.Patient.connection_made

    def look(self, transport):
        seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(self, transport)

    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving.Patient, "connection_made", look)
        thread.start()
        assert ready.wait(30)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"done"
        server.stop()
        thread.join(30)

    assert seen == [1]


def test_who_opens_many_connections_and_says_nothing_keeps_nobody_out(app, serve, connect, monkeypatch, caplog):
    monkeypatch.setattr(serving.Patient, "most_waiting", 5)
    _, port, _ = serve(app)

    with contextlib.ExitStack() as stack, caplog.at_level(logging.WARNING, "taskserver.web"):
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(12)
        ]
        connection = connect(port)
        connection.request("GET", "/login")
        status = connection.getresponse().status
        ended = [each.recv(10) for each in silent[:7]]

    assert status == 200
    assert ended == [b""] * 7
    assert "says nothing" in caplog.text


HALF_A_BODY = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nname="


@pytest.fixture
def few_connections(monkeypatch):
    """A tenth of the connections that there are: 20 may wait for their clients, of 30 in all."""
    monkeypatch.setattr(serving.Patient, "most_waiting", 20)
    monkeypatch.setattr(serving, "CONNECTIONS", 30)


def test_who_sends_many_bodies_by_half_keeps_nobody_out(app, serve, connect, few_connections, caplog):
    _, port, _ = serve(app)

    with contextlib.ExitStack() as stack, caplog.at_level(logging.WARNING, "taskserver.web"):
        half = []
        for _ in range(31):
            half.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)))
            half[-1].sendall(HALF_A_BODY)
        assert all(_is_over(each) for each in half[:11])  # before anybody else asks: they are dealt with in turn
        statuses = [_status_of(connect(port), path) for path in ("/login", "/healthz")]

    assert statuses == [200, 200]
    assert "from 127.0.0.1 that says nothing" in caplog.text


def test_who_takes_no_answer_keeps_nobody_out(serve, connect, few_connections):
    """A closed connection lasts until its answer is taken: these are cut off."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(0 if scope["path"] == "/short" else 200):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"end", "more_body": False})

    _, port, _ = serve(app)
    with contextlib.ExitStack() as stack:
        for _ in range(31):
            greedy = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            greedy.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert greedy.recv(1) == b"H"
        status = _status_of(connect(port), "/short")

    assert status == 200


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/login", ["broken off: a request from 127.0.0.1 whose body did not arrive"]),
        ("/api/v1/jobs", []),  # the line of the request says it: 422
    ],
)
def test_a_body_that_is_broken_off_is_no_fault_of_ours(app, store, serve, caplog, path, told):
    token = new_token()
    store.tokens.add("program", token.hash, prefix=token.prefix, role=Role.OPERATOR)
    authorization = f"Authorization: Bearer {token.text}\r\n".encode() if path.startswith("/api/") else b""
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 9\r\nContent-Type: application/json\r\n\r\n"
    _, port, _ = serve(app)

    with caplog.at_level(logging.INFO):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as half:
            half.sendall(head % (path.encode(), authorization) + b"{")
        eventually(lambda: path in caplog.text, what="the line of the request")

    assert {(record.levelno, record.exc_info) for record in caplog.records} == {(logging.INFO, None)}
    assert [record.getMessage() for record in caplog.records if record.name == "taskserver.web"] == told


def test_room_is_made_at_the_cost_of_who_takes_most_of_it(app, serve, connect, few_connections):
    _, port, _ = serve(app)
    patient = connect(port)
    assert _status_of(patient, "/login") == 200

    with contextlib.ExitStack() as stack:
        many = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=20, source_address=("127.0.0.2", 0))
            )
            for _ in range(31)
        ]
        assert all(_is_over(each) for each in many[:12])
        kept = patient.sock
        status = _status_of(patient, "/login")

    assert status == 200
    assert patient.sock is kept


def test_a_full_house_is_told_once_with_who_was_refused(serve, connect, few_connections, caplog):
    go_on, begun = threading.Event(), threading.Semaphore(0)

    async def app(scope, receive, send):
        import anyio.to_thread

        if scope["path"] == "/slow":
            begun.release()
            await anyio.to_thread.run_sync(go_on.wait, 20, limiter=anyio.CapacityLimiter(1))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    _, port, _ = serve(app)
    with contextlib.ExitStack() as stack, caplog.at_level(logging.WARNING, "taskserver.web"):
        stack.callback(go_on.set)
        for _ in range(30):
            busy = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            busy.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert begun.acquire(timeout=20)
        refused = [_answer_of(connect(port), "/") for _ in range(3)]

    assert [(each.status, each.headers["retry-after"]) for each in refused] == [(503, "5")] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "refused: a request from 127.0.0.1, since 30 connections are open already"
    ]


def test_many_logins_at_once_hold_up_nobody_else(app, serve, connect, add_user, monkeypatch):
    add_user()
    go_on = threading.Event()
    monkeypatch.setattr(signing_in, "verified", lambda *_: not go_on.wait(20))
    _, port, _ = serve(app)
    page = connect(port)
    page.request("GET", "/login")
    response = page.getresponse()
    token = response.read().decode().partition('name="csrf_token" value="')[2].partition('"')[0]
    headers = {
        "Cookie": response.headers["set-cookie"].partition(";")[0],
        "Content-Type": "application/x-www-form-urlencoded",
    }

    logins = [connect(port) for _ in range(24)]
    for number, each in enumerate(logins):
        each.request("POST", "/login", f"csrf_token={token}&name=n{number}&password=wrong+password", headers)
    try:
        refused = 24 - MOST_OF_ONE
        eventually(lambda: len(_answered(logins)) == refused, what="the answers to those who came last")
        meanwhile = _status_of(page, "/login")
    finally:
        go_on.set()
    answers = [each.getresponse() for each in logins]

    assert meanwhile == 200
    statuses = Counter(each.status for each in answers)
    assert statuses == {400: MOST_OF_ONE, 429: refused}
    assert {each.headers["retry-after"] for each in answers if each.status == 429} == {"2"}


def _answered(connections: list[http.client.HTTPConnection]) -> list[socket.socket]:
    return select.select([each.sock for each in connections], [], [], 0)[0]


def _is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(10) == b""
    except ConnectionResetError:  # what it has sent was never read
        return True


def _answer_of(connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response


def _status_of(connection: http.client.HTTPConnection, path: str) -> int:
    return _answer_of(connection, path).status


def test_a_taken_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CannotListen, match=f"port {port}: Address already in use"):
            bind(ConsoleSettings(port=port))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_an_address_that_is_not_this_machine_s_is_one_sentence(host):
    with pytest.raises(CannotListen, match=host):
        bind(ConsoleSettings(host=host))


def test_a_bad_certificate_is_one_sentence(app, make_settings, tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    settings = make_settings(tls_certificate=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem"))
    listening = socket.create_server(("127.0.0.1", 0))

    with contextlib.closing(listening), pytest.raises(CannotUseCertificate, match=r"cert\.pem"):
        ConsoleServer(app, settings.console, listening)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the Debian package openssl")
def test_it_serves_https_itself_and_waits_for_no_handshake(
    make_app, serve, connect, monkeypatch, caplog, tmp_path: Path
):
    monkeypatch.setattr(serving.Patient, "seconds_for_head", 0.5)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    console = {"tls_certificate": str(certificate), "tls_key": str(key)}
    _, port, _ = serve(make_app(**console), **console)
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), timeout=20) as silent:
        handshake = silent.recv(10)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(10)

    connection = connect(port, context=context)
    connection.request("GET", "/login")
    response = connection.getresponse()

    assert response.status == 200
    assert handshake == b""
    refused = [record.getMessage() for record in caplog.records if "TLS handshake" in record.getMessage()]
    assert [line.partition(": ")[2].partition(": ")[0] for line in refused] == [
        "a TLS handshake from 127.0.0.1"
    ] * 2
    assert "; Secure" in str(response.headers["set-cookie"])
    assert response.headers["strict-transport-security"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs a machine with IPv6")
def test_an_address_of_ipv4_is_known_as_such_on_a_socket_for_both(make_settings, connect):
    told = []

    async def app(scope, receive, send):
        told.append(scope["client"][0])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = listening.getsockname()[1]
    server = ConsoleServer(app, make_settings(trusted_proxies=["127.0.0.1"]).console, listening)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    try:
        for headers in ({}, {"X-Forwarded-For": "203.0.113.9"}):
            connection = connect(port)
            connection.request("GET", "/", headers=headers)
            connection.getresponse().read()
    finally:
        server.stop()
        thread.join(30)

    assert told == ["127.0.0.1", "203.0.113.9"]


def test_only_a_trusted_proxy_says_for_whom_it_asks(make_app, serve, connect, add_user, store):
    seen = []
    for trusted in ([], ["127.0.0.1"]):
        _, port, _ = serve(make_app(trusted_proxies=trusted), trusted_proxies=trusted)
        connection = connect(port)
        connection.request("GET", "/login", headers={"X-Forwarded-For": "203.0.113.9"})
        response = connection.getresponse()
        page = response.read().decode()
        cookie = response.headers["set-cookie"].partition(";")[0]
        if not seen:
            add_user()
            connection.request("GET", "/login", headers={"Cookie": cookie})
            page = connection.getresponse().read().decode()
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        body = f"csrf_token={token}&name=anna&password=correct+horse+battery"
        headers = {
            "Cookie": cookie,
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": "203.0.113.9",
        }
        connection.request("POST", "/login", body, headers)
        assert connection.getresponse().status == 303
        seen.append(store.audit.find(action="session.begin")[0]["source"])

    assert seen == ["127.0.0.1", "203.0.113.9"]
