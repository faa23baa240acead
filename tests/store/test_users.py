from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from taskserver.store import Grant, Role
from taskserver.store.errors import (
    ClientNotFound,
    InvalidUserName,
    LastAdministrator,
    NamedAsToken,
    UserExists,
    UserNotFound,
)
from taskserver.store.login_links import FIRST_ADMINISTRATOR, new_password_of


def test_a_user_has_roles_in_clients_and_in_all(store):
    acme = store.clients.add("acme")["id"]
    store.users.add("anna", "hash", language="de", role=Role.VIEWER)

    store.users.set_role("anna", Role.OPERATOR, "acme")

    anna = store.users.get("anna")
    assert anna["roles"] == [Grant(Role.VIEWER), Grant(Role.OPERATOR, acme, "acme")]
    assert (anna["language"], anna["has_password"], anna["active"]) == ("de", True, True)
    assert "password_hash" not in anna
    assert store.users.find() == [anna]


def test_a_role_replaces_the_one_there_and_can_be_taken_away(store):
    store.users.add("anna", role=Role.VIEWER)

    store.users.set_role("anna", Role.OPERATOR)
    more = store.users.get("anna")["roles"]
    store.users.set_role("anna", None)

    assert more == [Grant(Role.OPERATOR)]
    assert store.users.get("anna")["roles"] == []


def test_roles_in_a_client_go_with_it_and_never_become_roles_for_all(store):
    store.clients.add("acme")
    store.users.add("anna", role=Role.ADMINISTRATOR, client="acme")

    store.clients.delete("acme")

    assert store.users.get("anna")["roles"] == []


def test_a_renamed_client_keeps_its_roles(store):
    store.clients.add("acme")
    store.users.add("anna", role=Role.OPERATOR, client="acme")

    store.clients.edit("acme", new_name="apex")

    assert [grant.client for grant in store.users.get("anna")["roles"]] == ["apex"]


@pytest.mark.parametrize("name", ["", "  ", " anna", "anna ", "an\nna", "an\x00na", "x" * 101])
def test_a_name_must_be_one_that_people_can_read(store, name):
    with pytest.raises(InvalidUserName):
        store.users.add(name)

    assert store.users.any() is False


@pytest.mark.parametrize("name", ["token acme-viewer", "Token x", "TOKEN  x"])
def test_nobody_is_named_as_the_audit_names_a_token(store, name):
    store.users.add("anna")

    with pytest.raises(NamedAsToken, match="token"):
        store.users.add(name)
    with pytest.raises(NamedAsToken):
        store.users.edit("anna", new_name=name)
    store.users.edit("anna", new_name="tokens")

    assert [user["name"] for user in store.users.find()] == ["tokens"]


def test_names_are_unique_also_when_changed(store):
    store.users.add("anna")
    store.users.add("bert")

    with pytest.raises(UserExists):
        store.users.add("anna")
    with pytest.raises(UserExists):
        store.users.edit("bert", new_name="anna")

    assert [user["name"] for user in store.users.find()] == ["anna", "bert"]


def test_who_is_unknown_is_said_to_be(store):
    for act in (
        lambda: store.users.get("anna"),
        lambda: store.users.edit("anna", theme="dark"),
        lambda: store.users.set_role("anna", Role.VIEWER),
        lambda: store.users.set_password_hash("anna", "x"),
        lambda: store.users.delete("anna"),
    ):
        with pytest.raises(UserNotFound, match="anna"):
            act()
    with pytest.raises(ClientNotFound, match="acme"):
        store.users.add("bert", role=Role.VIEWER, client="acme")
    assert store.users.any() is False


def test_credentials_are_those_of_active_users_with_a_password(store):
    store.users.add("anna", "hash")
    store.users.add("without")
    store.users.add("away", "hash")
    store.users.edit("away", active=False)

    found = [store.users.credentials(name) for name in ("anna", "without", "away", "nobody")]

    assert [each and each[1] for each in found] == ["hash", None, None, None]


@pytest.mark.parametrize(
    "act",
    [
        lambda users: users.delete("anna"),
        lambda users: users.edit("anna", active=False),
        lambda users: users.set_role("anna", None),
        lambda users: users.set_role("anna", Role.OPERATOR),
    ],
)
def test_the_last_administrator_stays(store, act):
    store.clients.add("acme")
    store.users.add("anna", role=Role.ADMINISTRATOR)
    store.users.add("bert", role=Role.ADMINISTRATOR, client="acme")

    with pytest.raises(LastAdministrator):
        act(store.users)

    anna = store.users.get("anna")
    assert (anna["active"], anna["roles"]) == (True, [Grant(Role.ADMINISTRATOR)])


def test_the_only_user_may_go(store):
    store.users.add("anna", role=Role.ADMINISTRATOR)

    store.users.delete("anna")

    assert store.users.any() is False


def test_who_was_no_administrator_may_change_where_there_is_none(store):
    store.users.add("anna", role=Role.VIEWER)

    store.users.set_role("anna", Role.OPERATOR)

    assert store.users.get("anna")["roles"] == [Grant(Role.OPERATOR)]


def test_of_two_last_administrators_who_leave_at_once_one_stays(store):
    store.users.add("anna", role=Role.ADMINISTRATOR)
    store.users.add("bert", role=Role.ADMINISTRATOR)
    store.users.add("carl", role=Role.VIEWER)
    begin, refused = threading.Barrier(2), []

    def leave(name):
        begin.wait()
        try:
            store.users.delete(name)
        except LastAdministrator:
            refused.append(name)

    threads = [threading.Thread(target=leave, args=(name,)) for name in ("anna", "bert")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(refused) == 1
    assert [user["name"] for user in store.users.find()] == sorted([*refused, "carl"])


def test_a_link_for_a_password_leads_to_its_user_alone(store, clock):
    for name in ("anna", "bert", "carl"):
        user = store.users.add(name)
        store.login_links.make(f"link of {name}", new_password_of(user["id"]), lifetime=timedelta(hours=1))
    store.login_links.make("first", FIRST_ADMINISTRATOR, lifetime=timedelta(hours=1))
    store.users.edit("carl", active=False)

    def user_of(link):
        found = store.users.waits_for_password(link)
        return found and found["name"]

    assert [user_of(f"link of {name}") for name in ("anna", "bert", "carl")] == ["anna", "bert", None]
    assert user_of("first") is None
    assert user_of("") is None
    assert "password_hash" not in store.users.waits_for_password("link of anna")
    store.users.set_password_hash("anna", "x")
    assert user_of("link of anna") is None
    assert store.login_links.use("link of bert", new_password_of(store.users.get("bert")["id"]))
    assert user_of("link of bert") is None


def test_who_gets_the_number_of_a_deleted_user_does_not_get_the_links(store):
    first = store.users.add("anna")
    store.login_links.make("link", new_password_of(first["id"]), lifetime=timedelta(hours=1))

    store.users.delete("anna")
    store.users.add("bert")

    assert store.users.waits_for_password("link") is None
    assert not store.login_links.works("link", new_password_of(first["id"]))
