"""Events: who is told what, by a feed without HTTP, and over a real connection until the console ends."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest
from sqlalchemy import update
from waiting import eventually

from taskserver.database.schema import users
from taskserver.jobs import Outcome
from taskserver.store import Role, Store
from taskserver.store.errors import PageGone
from taskserver.web.api.feed import Feed
from taskserver.web.listeners import Listeners, TooManyListeners
from taskserver.web.scope import Principal
from taskserver.web.security.tokens import secret_hash
from taskserver.web.serving import ConsoleServer


def told(events: list[str]) -> list[tuple[str, int]]:
    found = []
    for event in events:
        lines = dict(line.split(": ", 1) for line in event.strip().splitlines())
        found.append((lines["event"], json.loads(lines["data"]).get("id", 0)))
    return found


def test_a_feed_tells_what_becomes_of_jobs_and_nothing_of_another_client(store, clock, node, scope_of, acme, bolt):
    clock.advance(minutes=1)
    scope = scope_of(Role.OPERATOR, "acme")
    feed = Feed(scope, clock())
    first = feed.look()

    queued = store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id
    store.jobs.enqueue("ocr", {"path": "x"}, client="bolt")
    after_queueing = told(feed.look())
    clock.advance(seconds=2)
    quiet = feed.look()
    claim = node.claim(queued)
    started = told(feed.look())
    node.report(claim, "half")
    progress = told(feed.look())
    clock.advance(seconds=2)
    node.end(claim, Outcome.finished("done"))
    ended = told(feed.look())
    scope.jobs.delete(queued)
    clock.advance(seconds=2)
    deleted = told(feed.look())

    assert first == quiet == []
    assert after_queueing == started == progress == ended == [("job", queued)]
    assert deleted == [("gone", queued)]


def test_a_listener_that_comes_again_misses_nothing(store, clock, scope_of, acme):
    clock.advance(minutes=1)
    scope = scope_of(Role.VIEWER, "acme")
    last = str(int(clock().timestamp() * 1_000_000))
    clock.advance(minutes=1)
    queued = store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id

    assert ("job", queued) in told(Feed(scope, clock(), last).look())
    assert told(Feed(scope, clock()).look()) == []
    with pytest.raises(PageGone):
        Feed(scope, clock(), "9" * 18)


def test_too_much_at_once_is_one_event(store, clock, scope_of, acme):
    clock.advance(minutes=1)
    feed = Feed(scope_of(Role.VIEWER, "acme"), clock())
    feed.look()

    store.jobs.enqueue_many("ocr", [{"path": "x"}] * 600, client="acme")

    assert told(feed.look()) == [("reload", 0)]


def test_listeners_are_bounded_in_all_and_for_each():
    listeners = Listeners(most=3, most_of_one=2)
    joined = [listeners.join("anna"), listeners.join("anna")]

    with pytest.raises(TooManyListeners):
        listeners.join("anna")
    listeners.join("bert")
    with pytest.raises(TooManyListeners):
        listeners.join("clara")
    listeners.leave(joined[0])

    assert listeners.join("clara")
    assert len(listeners) == 3


@pytest.mark.only_on("sqlite")
def test_a_user_of_former_times_that_is_named_like_a_token_takes_no_stream_of_it(
    app, store, make_program, signed_in
):
    app.state.console.listeners.most_of_one = 1
    app.state.console.listeners.lasts = 0.0
    browser, program = signed_in(Role.VIEWER), make_program(Role.VIEWER, name="feed")
    with store.database.write() as connection:
        connection.execute(update(users).values(name="token feed"))
    of_token = Principal(name="feed", kind="token", identity=secret_hash(program.token))
    app.state.console.listeners.join(of_token.key)

    assert program.get("/events").status_code == 429
    assert browser.get("/api/v1/events").status_code == 200


@pytest.mark.only_on("sqlite")
def test_a_stream_tells_stays_alive_and_ends_with_the_console(
    store: Store, make_app, make_settings, make_program, acme
):
    app = make_app(refresh_interval=1)
    listeners = app.state.console.listeners
    listeners.quiet = 0.0
    token = make_program(Role.VIEWER, "acme").token
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = ConsoleServer(app, make_settings().console, listening)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        assert ready.wait(60)
        connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        heard = [answer.readline() for _ in range(2)]
        queued = store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id
        while not heard[-1].startswith(b"data: "):
            heard.append(answer.readline())
        while not heard[-1].startswith(b": "):
            heard.append(answer.readline())
        server.stop()
        rest = answer.read()
    finally:
        server.stop()
        thread.join(60)
        connection.close()

    assert answer.getheader("content-type").startswith("text/event-stream")
    assert json.loads(next(line for line in heard if line.startswith(b"data: "))[6:])["id"] == queued
    assert rest.replace(b": still here\n", b"").strip() == b""
    assert not thread.is_alive()
    eventually(lambda: len(listeners) == 0, what="the end of the stream")
