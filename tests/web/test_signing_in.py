"""Signing in and out, the first login of all, and what a stolen, old or planted cookie is worth."""

from __future__ import annotations

from datetime import timedelta

import pytest
from browsing import PASSWORD, Browser

from taskserver.store import Grant, Role
from taskserver.web.first_login import first_login_url
from taskserver.web.security.passwords import hashed, is_outdated

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages


def test_who_knows_the_password_is_let_in(store, stranger, add_user, clock):
    add_user(Role.VIEWER)

    response = stranger.sign_in("anna")
    page = stranger.followed(response)

    assert response.headers["location"] == "/"
    assert stranger.followed(page).status_code == 200
    assert store.users.get("anna")["last_login_at"] == clock.now
    assert [row["action"] for row in store.audit.find()] == ["session.begin"]


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong"), ("nobody", PASSWORD), ("without", PASSWORD), ("away", PASSWORD)]
)
def test_whoever_does_not_gets_one_answer_whatever_is_wrong(store, stranger, add_user, name, password):
    add_user(Role.VIEWER)
    store.users.add("without", role=Role.VIEWER)
    add_user(Role.VIEWER, name="away")
    store.users.edit("away", active=False)

    response = stranger.sign_in(name, password)

    assert response.status_code == 400
    assert "the name or the password is not right" in response.text
    assert password not in response.text
    assert "taskserver_session" not in response.headers.get("set-cookie", "")


def test_after_signing_in_one_comes_to_the_page_that_was_asked_for(stranger, add_user):
    add_user(Role.VIEWER)
    asked = stranger.get("/nodes?x=1")

    form = stranger.followed(asked)
    response = stranger.post("/login", {"name": "anna", "password": PASSWORD, "next": "/nodes?x=1"})

    assert asked.headers["location"] == "/login?next=%2Fnodes%3Fx%3D1"
    assert 'name="next" value="/nodes?x=1"' in form.text
    assert response.headers["location"] == "/nodes?x=1"


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "\\/evil", "/x\n", "javascript:1"]
)
def test_the_login_leads_to_no_other_site(stranger, add_user, elsewhere):
    add_user(Role.VIEWER)
    shown = stranger.get("/login", params={"next": elsewhere})

    response = stranger.post("/login", {"name": "anna", "password": PASSWORD, "next": elsewhere})

    assert 'name="next" value=""' in shown.text
    assert response.headers["location"] == "/"


def test_the_session_is_a_new_one_whatever_the_browser_brings(stranger, add_user):
    add_user(Role.VIEWER)
    stranger.http.cookies.set("taskserver_session", "planted")

    stranger.sign_in("anna")

    cookies = {cookie.value for cookie in stranger.http.cookies.jar if cookie.name == "taskserver_session"}
    assert any(len(value) > 40 for value in cookies)


def test_the_cookie_is_kept_from_scripts_and_other_sites(make_app, stranger, add_user):
    add_user(Role.VIEWER)
    plain = stranger.sign_in("anna").headers["set-cookie"]
    behind_tls = Browser(make_app(public_url="https://erp.example.com", root_path="/tasks"))
    behind_tls.get("/login")
    token = behind_tls.csrf
    secret = behind_tls.page.headers["set-cookie"].partition("taskserver_visit=")[2].partition(";")[0]
    secure = behind_tls.http.post(
        "/login",
        data={"csrf_token": token, "name": "anna", "password": PASSWORD},
        headers={"cookie": f"taskserver_visit={secret}"},
    ).headers["set-cookie"]

    assert "taskserver_session=" in plain
    for words in ("HttpOnly", "SameSite=lax", "Path=/;", "Max-Age=43200"):
        assert words.lower() in plain.lower().replace("path=/,", "path=/;")
    assert "secure" not in plain.lower()
    assert "; secure" in secure.lower()
    assert "path=/tasks" in secure.lower()


def test_the_database_holds_nothing_to_sign_in_with(store, stranger, add_user):
    add_user(Role.VIEWER)
    stranger.sign_in("anna")
    secret = stranger.http.cookies["taskserver_session"]

    with store.database.read() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM sessions").all())

    assert secret not in kept


def test_signing_out_ends_the_session_for_good(store, signed_in):
    browser = signed_in(Role.VIEWER)
    stolen = browser.http.cookies["taskserver_session"]
    browser.get("/account")

    response = browser.post("/logout")
    browser.http.cookies.set("taskserver_session", stolen)

    assert response.headers["location"] == "/login?left=1"
    assert "You are signed out." in browser.get("/login?left=1").text
    assert browser.get("/account").headers["location"].startswith("/login")
    assert [row["action"] for row in store.audit.find()] == ["session.end", "session.begin"]


def test_a_session_ends_by_time_and_by_idleness(signed_in, clock):
    browser = signed_in(Role.VIEWER)
    clock.advance(hours=2, minutes=59)
    busy = browser.get("/account").status_code
    clock.advance(hours=3, seconds=1)
    idle = browser.get("/account").status_code

    assert (busy, idle) == (200, 303)


def test_a_session_ends_after_its_lifetime_however_busy(signed_in, clock):
    browser = signed_in(Role.VIEWER)
    answers = []

    for _ in range(13):
        answers.append(browser.get("/account").status_code)
        clock.advance(hours=1)

    assert answers == [200] * 12 + [303]


@pytest.mark.parametrize("cookie", ["", "x", "é", "a" * 5000, "' OR 1=1 --", "\x00"])
def test_a_made_up_cookie_is_a_stranger_s(stranger, cookie):
    response = stranger.http.get("/account", headers={"cookie": f"taskserver_session={cookie}".encode()})

    assert response.status_code == 303
    assert response.headers["location"].startswith("/login")


def test_guessing_is_slowed_down_and_told_so(stranger, add_user):
    add_user(Role.VIEWER)

    answers = [stranger.sign_in("anna", f"wrong {number}") for number in range(5)]
    right = stranger.sign_in("anna")

    assert [answer.status_code for answer in answers][:4] == [400] * 4
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) >= 1
    assert "too many attempts" in right.text


def test_a_hash_of_former_days_is_renewed(store, stranger):
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    store.users.add("anna", weak, role=Role.VIEWER)

    stranger.sign_in("anna")

    known = store.users.credentials("anna")
    assert known is not None
    assert is_outdated(weak)
    assert not is_outdated(known[1])
    assert stranger.get("/account").status_code == 200


def test_the_first_administrator_comes_by_a_link_that_works_once(store, app, stranger, make_settings):
    link = first_login_url(store, make_settings().console)
    assert link is not None
    path = link.removeprefix("http://127.0.0.1:8742")

    page = stranger.get(path)
    secret = path.partition("link=")[2]
    response = stranger.post("/first-login", {"link": secret, "name": "anna", "password": "correct horse"})
    again = stranger.get(path)

    assert "First login" in page.text
    assert response.headers["location"] == "/"
    assert store.users.get("anna")["roles"] == [Grant(Role.ADMINISTRATOR)]
    assert stranger.get("/account").status_code == 200
    assert again.status_code == 400
    assert first_login_url(store, make_settings().console) is None


def test_a_faulty_first_form_leaves_the_link_working(store, stranger, make_settings):
    link = first_login_url(store, make_settings().console)
    assert link is not None
    secret = link.partition("link=")[2]
    stranger.get(f"/first-login?link={secret}")

    weak = stranger.post("/first-login", {"link": secret, "name": "anna", "password": "short"})
    unnamed = stranger.post("/first-login", {"link": secret, "name": " ", "password": "correct horse"})
    good = stranger.post("/first-login", {"link": secret, "name": "anna", "password": "correct horse"})

    assert (weak.status_code, unnamed.status_code, good.status_code) == (400, 400, 303)
    assert "at least 10 characters" in weak.text
    assert "short" not in weak.text.replace("shortcut", "")


@pytest.mark.parametrize("attack", ["guessed", "old", "replaced", "late"])
def test_no_other_link_makes_an_administrator(store, stranger, make_settings, clock, attack):
    console = make_settings().console
    link = first_login_url(store, console)
    assert link is not None
    secret = link.partition("link=")[2] if attack != "guessed" else "guessed"
    if attack == "old":
        clock.advance(hours=24, seconds=1)
    if attack == "replaced":
        first_login_url(store, console)
    if attack == "late":
        store.users.add("somebody")
    stranger.get("/login")

    page = stranger.http.get(f"/first-login?link={secret}")
    stranger.page = stranger.page if attack == "late" else stranger.http.get("/login")
    token = {"csrf_token": token_of(stranger)}
    response = stranger.http.post(
        "/first-login", data={**token, "link": secret, "name": "mallory", "password": "correct horse"}
    )

    assert (page.status_code, response.status_code) == (400, 400)
    assert all(user["name"] != "mallory" for user in store.users.find())


def token_of(browser):
    from taskserver.web.security.csrf import token_for

    return token_for(browser.http.cookies["taskserver_visit"])


def test_without_any_user_the_login_says_where_the_link_comes_from(stranger):
    page = stranger.get("/login")

    assert "task_server console login-url" in page.text
    assert 'type="password"' not in page.text


def test_idle_time_is_a_quarter_of_the_lifetime_and_half_an_hour_at_least():
    from taskserver.web.signing_in import idle_time

    assert idle_time(timedelta(hours=12)) == timedelta(hours=3)
    assert idle_time(timedelta(hours=1)) == timedelta(minutes=30)
    assert idle_time(timedelta(minutes=5)) == timedelta(minutes=5)


def test_passwords_that_others_would_try_first_are_refused():
    from taskserver.errors import UsageError

    for password in ("short", "anna-of-the-office", "aaaaaaaaaaaaaa", "x" * 1001, "121212121212"):
        with pytest.raises(UsageError):
            hashed(password, name="anna-of-the-office")
