"""The pages of users, tokens and the audit: for administrators of all clients, and what they do there."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from browsing import PASSWORD, Browser

from taskserver.store import Grant, Role
from taskserver.web.audit_words import ACTIONS

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages

PAGES = ("/users", "/users/new", "/users/1", "/users/1/delete", "/users/tokens/new", "/audit", "/settings")


def link_in(text: str) -> str:
    """The path of the link that a page shows once."""
    found = re.search(r"http://localhost:8742(/new-password\?link=[\w-]+)", text)
    assert found, text
    return found[1]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("role", "client"), [(Role.OPERATOR, None), (Role.ADMINISTRATOR, "acme")])
def test_these_pages_are_for_administrators_of_all(signed_in, acme, path, role, client):
    browser = signed_in(role, client)

    answer = browser.get(path)

    assert answer.status_code == 403
    assert "administrator for all clients" in answer.text
    shown = browser.get("/account").text
    assert not any(f'href="{each}"' in shown for each in ("/users", "/audit", "/settings"))


@pytest.mark.parametrize("path", ["/users/999", "/users/999/delete", "/users/tokens/999/delete"])
def test_what_is_not_there_is_a_404(signed_in, path):
    browser = signed_in(Role.ADMINISTRATOR)

    assert browser.get(path).status_code == 404


def test_a_user_is_added_and_chooses_a_password_by_the_link(app, store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/users/new")
    given = {
        "name": "bert",
        "role": "operator",
        "client": "acme",
        "language": "de",
        "time_zone": "",
        "password": "",
    }
    link = link_in(browser.post("/users/new", given).text)
    bert = Browser(app)

    form = bert.get(link).text
    secret = link.partition("=")[2]
    differing = bert.post("/new-password", {"link": secret, "password": "battery staple", "again": "battery"})
    weak = bert.post("/new-password", {"link": secret, "password": "short", "again": "short"})
    entered = bert.post("/new-password", {"link": secret, "password": "battery staple", "again": "battery staple"})

    assert "bert" in form
    assert (differing.status_code, weak.status_code, entered.status_code) == (400, 400, 303)
    assert "Aufgaben" in bert.get("/tasks").text
    assert store.users.get("bert")["roles"] == [Grant(Role.OPERATOR, acme.id, "acme")]
    assert Browser(app).get(link).status_code == 400  # it works once
    audited = [(row["actor"], row["action"]) for row in store.audit.find()]
    assert audited[:4] == [
        ("bert", "session.begin"),
        ("bert", "user.set_password"),
        ("anna", "user.make_password_link"),
        ("anna", "user.add"),
    ]
    assert secret not in str(store.audit.find())


def test_a_link_is_worth_nothing_for_who_is_deleted_locked_out_or_has_a_new_password(app, store, signed_in, clock):
    browser = signed_in(Role.ADMINISTRATOR)

    def link_for(name):
        user = store.users.add(name)
        browser.get(f"/users/{user['id']}")
        return link_in(browser.post(f"/users/{user['id']}/link").text)

    def works(link):
        return Browser(app).get(link).status_code == 200

    links = {name: link_for(name) for name in ("bert", "carl", "dora", "emil", "fred")}
    assert all(map(works, links.values()))

    store.users.delete("bert")
    store.users.add("gina")  # may get the number that is free
    store.users.edit("carl", active=False)
    store.users.set_password_hash("dora", "x")
    fred = store.users.get("fred")["id"]
    browser.get(f"/users/{fred}")
    browser.post(f"/users/{fred}/link")

    assert [name for name, link in links.items() if works(link)] == ["emil"]
    clock.advance(hours=25)
    assert not works(links["emil"])


def test_a_link_for_the_first_administrator_changes_no_password(app, store, add_user):
    from taskserver.store.login_links import FIRST_ADMINISTRATOR
    from taskserver.web.security.tokens import secret_hash

    add_user(Role.ADMINISTRATOR)
    store.login_links.make(secret_hash("abc"), FIRST_ADMINISTRATOR, lifetime=timedelta(hours=1))

    assert Browser(app).get("/new-password?link=abc").status_code == 400
    assert Browser(app).get("/new-password?link=").status_code == 400


def test_a_user_is_changed_given_roles_and_deleted(app, store, signed_in, add_user, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    add_user(None, name="bert")
    here = f"/users/{store.users.get('bert')['id']}"
    elsewhere = Browser(app)
    elsewhere.sign_in("bert")

    def send(action, data):
        browser.get(here)
        return browser.followed(browser.post(f"{here}/{action}", data)).text

    assert "changed" in send("edit", {"name": "bertram", "language": "de", "time_zone": "", "active": "true"})
    assert "no time zone Mars" in send("edit", {"name": "bertram", "time_zone": "Mars", "active": "true"})
    assert "operator" in send("role", {"role": "operator", "client": "acme"})
    assert "choose a role" in send("role", {"role": "king", "client": ""})
    send("role", {"role": "viewer", "client": ""})
    roles = store.users.get("bertram")["roles"]
    send("role", {"role": "", "client": "acme"})
    assert "needs at least" in send("password", {"password": "short"})
    assert elsewhere.get("/account").status_code == 200
    assert "signed out everywhere" in send("password", {"password": "battery staple"})
    assert elsewhere.get("/account").status_code == 303
    assert elsewhere.sign_in("bertram", "battery staple").status_code == 303
    send("edit", {"name": "bertram", "language": "de", "time_zone": ""})
    assert elsewhere.get("/account").status_code == 303
    assert "bertram" in browser.get(f"{here}/delete").text
    deleted = browser.followed(browser.post(f"{here}/delete")).text

    assert roles == [Grant(Role.VIEWER), Grant(Role.OPERATOR, acme.id, "acme")]
    assert "The user bertram is deleted." in deleted
    assert [user["name"] for user in store.users.find()] == ["anna"]


def test_the_last_administrator_stays(store, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    store.users.add("bert")
    here = f"/users/{store.users.get('anna')['id']}"
    question = browser.get(f"{here}/delete").text

    told = browser.followed(browser.post(f"{here}/delete")).text
    browser.get(here)
    locked = browser.followed(browser.post(f"{here}/edit", {"name": "anna"})).text

    assert "This is your own account" in question
    assert "there must stay an administrator" in told
    assert "there must stay an administrator" in locked


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": ""}, "name"),
        ({"name": "anna"}, "anna"),
        ({"name": "bert", "password": "short"}, "at least 10 characters"),
        ({"name": "bert", "time_zone": "Mars"}, "there is no time zone Mars"),
    ],
)
def test_a_user_that_can_t_be_is_refused_whole(store, signed_in, given, sentence):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/users/new")

    answer = browser.post("/users/new", {"role": "", "client": "", **given})

    assert answer.status_code in (400, 409)
    assert sentence in answer.text
    assert [user["name"] for user in store.users.find()] == ["anna"]


def test_a_token_is_shown_once_works_and_is_deleted(app, store, signed_in, acme, clock):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/users/tokens/new")

    shown = browser.post(
        "/users/tokens/new", {"name": "erp", "role": "viewer", "client": "acme", "days": "2"}
    ).text
    token = re.search(r"tsk_[\w-]{30,}", shown)
    assert token
    listed = browser.get("/users").text
    api = {"Authorization": f"Bearer {token[0]}"}
    works = Browser(app).get("/api/v1/clients", headers=api)
    clock.advance(days=2, seconds=1)
    over = Browser(app).get("/api/v1/clients", headers=api)

    assert token[0] not in listed
    assert "acme" in listed
    assert (works.status_code, over.status_code) == (200, 401)
    assert [client["name"] for client in works.json()["clients"]] == ["acme"]
    again = Browser(app)
    again.sign_in("anna", PASSWORD)
    number = store.tokens.get("erp")["id"]
    assert "It was never used" not in again.get(f"/users/tokens/{number}/delete").text
    assert "erp is deleted" in again.followed(again.post(f"/users/tokens/{number}/delete")).text
    assert store.tokens.find() == []
    assert token[0] not in str(store.audit.find())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"role": ""}, "choose a role"),
        ({"name": ""}, "name"),
        ({"days": "0"}, "Valid for, in days must be a whole number from 1"),
        ({"days": "x"}, "Valid for, in days must be a whole number from 1"),
    ],
)
def test_a_token_that_can_t_be_is_refused(store, signed_in, given, sentence):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/users/tokens/new")

    answer = browser.post(
        "/users/tokens/new", {"name": "erp", "role": "viewer", "client": "", "days": "", **given}
    )

    assert answer.status_code == 400
    assert sentence in answer.text
    assert store.tokens.find() == []


def test_the_audit_tells_who_did_what_from_where(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get(f"/jobs/{acme.jobs['waiting']}")
    browser.post(f"/jobs/{acme.jobs['waiting']}/stop", {"where": "job"})
    store.audit.write("entry.run", actor="bert", source="10.0.0.9", client_id=acme.id, job_id=acme.entry)

    def rows(query=""):
        page = browser.get(f"/audit{query}").text
        return page.count('<tr id="audit-')

    page = browser.get("/audit").text
    for word in (
        "stopped a job",
        "before: waiting",
        "testclient",
        "anna",
        "10.0.0.9",
        f"/cron-entries/{acme.entry}",
    ):
        assert word in page
    assert rows() == 3
    assert rows("?actor=bert") == 1
    assert rows("?action=job.stop") == 1
    assert rows(f"?job={acme.jobs['waiting']}") == 1
    assert rows("?client=acme") == 2
    assert rows("?since=2026-11-22T09:00&until=2026-11-22") == 3
    assert rows("?until=2026-11-21") == 0
    assert "is no time" in browser.get("/audit?since=soon").text
    assert browser.get("/audit?client=nobody").status_code == 404


def test_the_audit_is_read_page_by_page_both_ways(store, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    for number in range(119):
        store.audit.write("server.wake", actor=f"user {number}")

    def look(path):
        text = browser.get(path).text
        links = {rel: path.replace("&amp;", "&") for rel, path in re.findall(r'rel="(\w+)" href="([^"]+)"', text)}
        return re.findall(r'<tr id="audit-(\d+)"', text), links

    first, links = look("/audit")
    second, further = look(links["next"])
    third, end = look(further["next"])
    back, begin = look(end["prev"])
    top, nothing = look(begin["prev"])

    assert [len(each) for each in (first, second, third)] == [50, 50, 20]
    assert (back, top) == (second, first)
    assert "prev" not in links
    assert "next" not in end
    assert "prev" not in nothing


def test_every_action_has_a_word():
    from pathlib import Path

    import taskserver.web

    written = set()
    for file in Path(taskserver.web.__file__).parent.rglob("*.py"):
        written |= set(re.findall(r"""(?:note|write)\(\s*"([a-z]+\.[a-z_]+)\"""", file.read_text()))
    verbs = {
        f"job.{verb}" for verb in ("start", "stop", "kill", "delete", "move", "delete_finished", "delete_all")
    }
    entries = {f"entry.{verb}" for verb in ("edit", "enable", "disable", "run", "delete")}

    assert written | verbs | entries | {"autostart.on", "autostart.off"} == set(ACTIONS)


def test_settings_are_those_of_config_show_without_secrets(make_settings, store, daemon, add_user):
    from fastapi import FastAPI

    from taskserver.config import Settings
    from taskserver.web.app import create_app

    settings = Settings.model_validate(
        {
            "users_dir": "/srv/users",
            "database": "postgresql://erp:geheim@db/tasks",
            "tasks": {"ocr": {"command": ["/bin/ocr"], "env": {"API_TOKEN": "t0p", "LANG": "de_DE"}}},
            "origins": {"task_server.database": "/etc/ts.toml:4", "tasks.ocr.env": "/etc/ts.toml:9"},
        }
    )
    app: FastAPI = create_app(store=store, settings=settings, server_status=daemon)
    browser = Browser(app)
    browser.sign_in(add_user(Role.ADMINISTRATOR))

    page = browser.get("/settings").text

    assert "geheim" not in page
    assert "t0p" not in page
    for word in (
        "/etc/ts.toml:4",
        "/etc/ts.toml:9",
        "de_DE",
        "[task_server.console]",
        "[tasks.ocr]",
        "max_parallel",
    ):
        assert word in page


@pytest.mark.parametrize(
    ("state", "headline", "banner"),
    [
        ("running", "the task server is running", None),
        ("starting", "the task server is starting", None),
        ("waiting for database", "the task server is running and waits for its database", None),
        ("draining", "the task server is stopping", "The task server is stopping: no further job starts."),
        ("stopped", "the task server is not running", "The task server is not running: no job starts."),
        ("dead", "it died and left its pidfile (pid 4711)", "The task server is not running: no job starts."),
        ("unknown", "cannot be told", "Whether the task server is running cannot be told."),
    ],
)
def test_the_server_page_says_what_status_says(signed_in, daemon, state, headline, banner):
    daemon.state = state
    browser = signed_in(Role.VIEWER)

    page = browser.get("/server").text

    assert headline in page
    assert "4711" in page or state in ("unknown", "stopped")
    banners = page.split('id="part_banners"', 1)[1].split("</div>", 1)[0]
    assert (banner in banners) if banner else "banner bad" not in banners
    assert "autostart-off" not in page.split("<main", 1)[1]


def test_auto_start_is_switched_on_the_server_page(signed_in, store):
    browser = signed_in(Role.OPERATOR)
    browser.get("/server")

    off = browser.followed(browser.post("/server/autostart-off")).text
    on = browser.followed(browser.post("/server/autostart-on")).text

    assert "Only jobs that are started by hand run." in off
    assert "Waiting jobs start by themselves." in on
    assert [row["action"] for row in store.audit.find()][:2] == ["autostart.on", "autostart.off"]


def test_the_server_page_is_for_those_who_see_every_client(signed_in, acme):
    assert signed_in(Role.ADMINISTRATOR, "acme").get("/server").status_code == 403
