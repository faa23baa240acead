from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from taskserver.store import Grant, Role

LIFETIME, IDLE = timedelta(hours=12), timedelta(hours=3)


@pytest.fixture
def anna(store):
    return store.users.add("anna", "hash", role=Role.OPERATOR)["id"]


@pytest.fixture
def begin(store, anna):
    def make(id_hash="h1"):
        store.sessions.begin(id_hash, anna, lifetime=LIFETIME, source="10.0.0.1")

    return make


def test_a_session_tells_whose_it_is(store, anna, begin, clock):
    begin()

    session = store.sessions.resume("h1", idle=IDLE)

    assert (session["user"]["name"], session["user"]["roles"]) == ("anna", [Grant(Role.OPERATOR)])
    assert "password_hash" not in session["user"]
    assert (session["source"], session["expires_at"]) == ("10.0.0.1", clock.now + LIFETIME)
    assert store.users.get("anna")["last_login_at"] == clock.now


def test_an_unknown_session_is_none(store, begin):
    begin()

    assert store.sessions.resume("h2", idle=IDLE) is None


def test_a_session_ends_after_its_lifetime_however_busy(store, begin, clock):
    begin()

    alive = []
    for _ in range(13):
        alive.append(store.sessions.resume("h1", idle=IDLE) is not None)
        clock.advance(hours=1)

    assert alive == [True] * 12 + [False]


def test_a_session_ends_when_it_is_idle(store, begin, clock):
    begin()
    clock.advance(hours=2)
    still = store.sessions.resume("h1", idle=IDLE)

    clock.advance(hours=3, seconds=1)

    assert still is not None
    assert store.sessions.resume("h1", idle=IDLE) is None


def test_a_user_who_is_put_away_is_signed_out(store, begin):
    begin()

    store.users.edit("anna", active=False)
    store.users.edit("anna", active=True)

    assert store.sessions.resume("h1", idle=IDLE) is None


def test_a_user_who_is_deleted_is_signed_out(store, begin):
    begin()

    store.users.delete("anna")

    assert store.sessions.resume("h1", idle=IDLE) is None


def test_roles_count_from_the_next_click_on(store, begin):
    begin()

    store.users.set_role("anna", Role.VIEWER)

    assert store.sessions.resume("h1", idle=IDLE)["user"]["roles"] == [Grant(Role.VIEWER)]


def test_a_new_password_ends_all_other_sessions(store, begin):
    begin("here")
    begin("there")

    store.users.set_password_hash("anna", "new", keep_session="here")

    assert store.sessions.resume("here", idle=IDLE) is not None
    assert store.sessions.resume("there", idle=IDLE) is None


def test_signing_out_ends_one_session_and_elsewhere_the_others(store, anna, begin):
    for name in ("here", "there", "elsewhere"):
        begin(name)

    store.sessions.end("there")
    left = [session["id_hash"] for session in store.sessions.of_user(anna)]
    ended = store.sessions.end_others(anna, "here")

    assert sorted(left) == ["elsewhere", "here"]
    assert (ended, [session["id_hash"] for session in store.sessions.of_user(anna)]) == (1, ["here"])


def test_what_is_over_is_pruned(store, begin, clock):
    begin("old")
    clock.advance(hours=4)
    begin("new")

    assert store.sessions.prune(idle=IDLE) == 1
    assert store.sessions.prune(idle=IDLE) == 0
    assert store.sessions.resume("new", idle=IDLE) is not None


def test_messages_are_kept_for_the_next_page_and_told_once(store, begin):
    begin()
    for number in range(12):
        store.sessions.tell("h1", {"kind": "good", "text": f"Gespeichert ✓ {number}"})

    there = bool(store.sessions.resume("h1", idle=IDLE)["flash"])
    told = store.sessions.take_messages("h1")

    assert there is True
    assert [message["text"] for message in told] == [f"Gespeichert ✓ {number}" for number in range(2, 12)]
    assert store.sessions.resume("h1", idle=IDLE)["flash"] is None
    assert store.sessions.take_messages("h1") == store.sessions.take_messages("nobody") == []


def test_no_message_is_lost_when_several_requests_tell_one_at_once(store, begin):
    begin()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.sessions.tell("h1", {"kind": "good", "text": str(number)}), range(8)))

    assert sorted(message["text"] for message in store.sessions.take_messages("h1")) == list("01234567")


def test_messages_are_told_while_somebody_writes(store, begin):
    begin()
    store.sessions.tell("h1", {"kind": "good", "text": "done"})

    if store.database.dialect.name == "sqlite":
        with store.database.connect() as other, store.database.write(other):
            told = store.sessions.take_messages("h1")
        assert told == [{"kind": "good", "text": "done"}]
    assert store.sessions.take_messages("h1") == [{"kind": "good", "text": "done"}]


def test_looking_does_not_wait_for_a_writer(store, begin, clock):
    begin()
    clock.advance(minutes=2)

    with store.database.connect() as other, store.database.write(other):
        session = store.sessions.resume("h1", idle=IDLE)

    assert session is not None
