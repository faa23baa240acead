from __future__ import annotations

import pytest

from taskserver.store import Grant, Role
from taskserver.store.errors import ClientNotFound, TokenExists, TokenNotFound


@pytest.fixture
def add(store):
    def make(name="ci", token_hash="h", **more):
        return store.tokens.add(name, token_hash, prefix="tsk_abcd", role=Role.OPERATOR, **more)

    return make


def test_a_token_is_known_by_its_hash_and_shown_without_it(store, add):
    acme = store.clients.add("acme")["id"]
    token = add(client="acme", created_by="anna")

    assert store.tokens.use("h") == ("ci", Grant(Role.OPERATOR, acme, "acme"))
    assert store.tokens.use("tsk_abcd") is None
    assert (token["prefix"], token["client"], token["created_by"]) == ("tsk_abcd", "acme", "anna")
    assert "hash" not in token
    assert "hash" not in store.tokens.find()[0]


def test_a_token_for_all_clients_says_so(store, add):
    add()

    assert store.tokens.use("h") == ("ci", Grant(Role.OPERATOR))


def test_a_token_ends_when_it_is_said_to(store, add, clock):
    expires_at = clock.now.replace(hour=9)
    add(expires_at=expires_at)

    before = store.tokens.use("h")
    clock.now = expires_at

    assert before is not None
    assert store.tokens.use("h") is None


def test_a_token_goes_with_its_client_and_never_becomes_one_for_all(store, add):
    store.clients.add("acme")
    add(client="acme")

    store.clients.delete("acme")

    assert store.tokens.use("h") is None
    assert store.tokens.find() == []


def test_a_deleted_token_is_worth_nothing(store, add):
    add()

    store.tokens.delete("ci")

    assert store.tokens.use("h") is None
    with pytest.raises(TokenNotFound):
        store.tokens.delete("ci")


def test_names_are_unique_and_clients_known(store, add):
    add()

    with pytest.raises(TokenExists):
        add(token_hash="other")
    with pytest.raises(ClientNotFound):
        add("deploy", "third", client="acme")


def test_its_last_use_is_kept_to_the_minute(store, add, clock):
    add()
    first = clock.now

    store.tokens.use("h")
    clock.advance(seconds=30)
    store.tokens.use("h")
    kept = store.tokens.get("ci")["last_used_at"]
    clock.advance(minutes=1)
    store.tokens.use("h")

    assert (kept, store.tokens.get("ci")["last_used_at"]) == (first, clock.now)
