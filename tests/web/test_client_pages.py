"""The pages of clients: who sees which, and what a login, a limit and a deletion do."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages


def test_one_sees_the_clients_in_which_one_has_a_role(signed_in, acme, bolt):
    browser = signed_in(Role.VIEWER, "acme")

    page = browser.get("/clients").text

    assert acme.mark in page
    assert bolt.mark not in page
    assert "Edit acme" not in page
    assert "/clients/new" not in page
    for path in (f"/clients/{bolt.id}", f"/clients/{bolt.id + 100}"):
        assert browser.get(path).status_code == 404
    assert browser.get(f"/clients/{acme.id}").status_code == 403
    assert browser.get("/clients/new").status_code == 403


def test_a_login_switches_the_task_server_on_for_a_client(store, signed_in):
    client = store.clients.add("acme", title="ACME & Co")
    store.jobs.enqueue("ocr", {}, client="acme")
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    off = browser.get("/clients").text

    browser.get(f"/clients/{client['id']}")
    given = {"title": "ACME & Co", "login": " batch ", "max_parallel": "3"}
    on = browser.followed(browser.post(f"/clients/{client['id']}", given)).text
    browser.get(f"/clients/{client['id']}")
    browser.post(f"/clients/{client['id']}", {**given, "login": "", "max_parallel": ""})

    assert "1 job waits for a login" in off
    assert "The client acme is changed." in on
    assert "ACME &amp; Co" in on
    assert "batch" in on
    actions = [(row["action"], row["detail"]["login"]) for row in store.audit.find(action="client.set_login")]
    assert actions == [("client.set_login", None), ("client.set_login", "batch")]
    row = store.clients.get("acme")
    assert (row["login"], row["max_parallel"], row["title"]) == (None, None, "ACME & Co")


def test_only_what_was_changed_is_in_the_audit(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    before = store.clients.get("acme")
    browser.get(f"/clients/{acme.id}")

    same = {"name": "acme", "title": before["title"], "login": before["login"], "max_parallel": ""}
    browser.post(f"/clients/{acme.id}", same)
    browser.get(f"/clients/{acme.id}")
    browser.post(f"/clients/{acme.id}", {**same, "name": "apex"})

    edits = [row["detail"] for row in store.audit.find() if row["action"].startswith("client.")]
    assert edits == [{"name": "acme", "new_name": "apex"}]


def test_a_new_name_is_for_administrators_of_all(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    page = browser.get(f"/clients/{acme.id}")

    answer = browser.post(f"/clients/{acme.id}", {"name": "apex", "title": "x", "login": "y", "max_parallel": ""})

    assert 'id="name"' not in page.text
    assert answer.status_code == 403
    assert store.clients.get("acme")["title"] == acme.mark


@pytest.mark.parametrize(
    ("given", "status", "sentence"),
    [
        ({"name": ""}, 400, "name"),
        ({"name": "acme"}, 409, "there is a client"),
        ({"name": "new", "max_parallel": "0"}, 400, "At the same time must be a whole number from 1 to 100000"),
        ({"name": "new", "max_parallel": "9" * 50}, 400, "At the same time must be a whole number"),
        ({"name": "new", "max_parallel": "many"}, 400, "At the same time must be a whole number"),
    ],
)
def test_what_can_t_be_is_refused_and_what_was_typed_stays(signed_in, acme, store, given, status, sentence):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/clients/new")

    answer = browser.post("/clients/new", {"title": "typed <title>", **given})

    assert answer.status_code == status
    assert sentence in answer.text
    assert "typed &lt;title&gt;" in answer.text
    assert [row["name"] for row in store.clients.find()] == ["acme", "default"]


def test_a_client_is_added(store, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/clients/new")

    told = browser.followed(
        browser.post("/clients/new", {"name": "acme", "title": "", "login": "batch", "max_parallel": ""})
    )

    assert "The client acme is added." in told.text
    assert store.clients.get("acme")["login"] == "batch"


def test_the_question_names_what_goes_along(store, signed_in, app):
    client = store.clients.add("acme")
    browser = signed_in(Role.ADMINISTRATOR)
    store.users.add("bert", role=Role.VIEWER, client="acme")
    store.tokens.add("erp", "h", prefix="tsk_x", role=Role.OPERATOR, client="acme")
    store.tokens.add("other", "i", prefix="tsk_y", role=Role.OPERATOR)

    question = browser.get(f"/clients/{client['id']}/delete").text
    told = browser.followed(browser.post(f"/clients/{client['id']}/delete")).text

    assert "the roles of these users in it: bert" in question
    assert "erp" in question
    assert "other" not in question
    assert "The client acme is deleted." in told
    assert store.users.get("bert")["roles"] == []
    assert [token["name"] for token in store.tokens.find()] == ["other"]


def test_a_client_with_jobs_stays(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)

    question = browser.get(f"/clients/{acme.id}/delete").text
    default = browser.get("/clients/1/delete").text
    browser.get("/clients/new")
    told = browser.followed(browser.post(f"/clients/{acme.id}/delete")).text

    assert "6 jobs" in question
    assert "1 cron entry" in question
    assert "<button" not in question.split("<main", 1)[1].split("</main", 1)[0]
    assert "jobs without a client belong to it" in default
    assert "still has jobs or cron entries" in told
    assert store.clients.get("acme")["id"] == acme.id


def test_who_is_administrator_of_one_client_deletes_none(signed_in, acme, store):
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    browser.get(f"/clients/{acme.id}")

    assert browser.get(f"/clients/{acme.id}/delete").status_code == 403
    browser.get(f"/clients/{acme.id}")
    assert browser.post(f"/clients/{acme.id}/delete").status_code == 403
    assert store.audit.find(action="client.delete") == []
