"""The gate and the layers around it, attacked: routes are closed, forms need their token, nothing leaks."""

from __future__ import annotations

import asyncio
import html
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from browsing import PASSWORD, Browser

import taskserver.web
from taskserver.database import DatabaseBusy, DatabaseRefused, DatabaseUnavailable
from taskserver.database.errors import FileRefused
from taskserver.store import Role
from taskserver.web.gate import OPEN, OPEN_BELOW
from taskserver.web.security import limits
from taskserver.web.security.headers import ALWAYS
from taskserver.web.security.hosts import is_own, own_names
from taskserver.web.security.tokens import new_token

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages

WEB = Path(taskserver.web.__file__).parent


def filled(path: str) -> str:
    return re.sub(r"{[^}]*}", "1", path)


def test_every_route_but_the_open_ones_sends_strangers_away(app, stranger):
    closed = [route for route in app.state.routes if not is_open(route.path)]

    answers = {
        (method, route.path): stranger.http.request(method, filled(route.path)).status_code
        for route in closed
        for method in route.methods
    }

    assert len(answers) >= 5
    for (method, path), status in answers.items():
        looks = method in ("GET", "HEAD") and not path.startswith("/api/") and path != "/metrics"
        assert status == (303 if looks else 401), (method, path)


def is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


def test_an_unknown_address_is_closed_too(stranger, signed_in):
    unknown = stranger.get("/no/such/page")
    known = signed_in(Role.VIEWER).get("/no/such/page")

    assert unknown.status_code == 303
    assert (known.status_code, "there is no such page" in known.text) == (404, True)


def test_no_unsafe_route_works_without_its_token(app, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    other = signed_in(Role.ADMINISTRATOR, name="bert")
    other.get("/account")
    unsafe = [
        (method, filled(route.path))
        for route in app.state.routes
        for method in route.methods
        if method not in ("GET", "HEAD")
    ]

    assert len(unsafe) >= 5
    for method, path in unsafe:
        for data in ({}, {"csrf_token": ""}, {"csrf_token": other.csrf}):
            answer = browser.http.request(method, path, data=data)
            assert answer.status_code == 403, (method, path)
            assert "no longer valid" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused_even_with_the_token(store, signed_in, headers):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")

    response = browser.post("/account/settings", {"theme": "dark"}, headers=headers)

    assert response.status_code == 403
    assert "another site" in response.text
    assert store.users.get("anna")["theme"] is None


@pytest.mark.parametrize("encoding", ["form", "multipart", "header"])
def test_the_token_is_found_in_forms_of_both_encodings_and_in_the_header(store, signed_in, encoding):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")
    data, token = {"theme": "dark"}, browser.csrf

    if encoding == "header":
        response = browser.http.post("/account/settings", data=data, headers={"X-CSRF-Token": token})
    elif encoding == "multipart":
        files = {name: (None, value) for name, value in {**data, "csrf_token": token}.items()}
        response = browser.http.post("/account/settings", files=files)
    else:
        response = browser.post("/account/settings", data)

    assert response.status_code == 303
    assert store.users.get("anna")["theme"] == "dark"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"csrf_token"),
        ("application/x-www-form-urlencoded", b"%"),
        ("application/x-www-form-urlencoded", b"a&" * 30_000),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/json", b'{"csrf_token": "x"}'),
        ("", b"\xff\xfe"),
    ],
)
def test_a_broken_form_has_no_token(signed_in, kind, body):
    answer = signed_in(Role.VIEWER).http.post("/logout", content=body, headers={"Content-Type": kind})

    assert answer.status_code == 403


def test_a_visitor_s_token_is_worth_nothing_once_somebody_is_signed_in(store, stranger, add_user):
    add_user(Role.VIEWER)
    stranger.get("/login")
    before = stranger.csrf

    stranger.sign_in("anna")
    response = stranger.http.post("/logout", data={"csrf_token": before})

    assert response.status_code == 403


def test_a_token_of_the_api_opens_no_page_and_a_wrong_one_is_nobody(store, app, signed_in):
    token = new_token()
    store.tokens.add("ci", token.hash, prefix=token.prefix, role=Role.ADMINISTRATOR)
    browser = Browser(app)
    here = signed_in(Role.ADMINISTRATOR)

    by_token = browser.http.get("/account", headers={"Authorization": f"Bearer {token.text}"})
    document = browser.http.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {token.text}"})
    wrong = here.http.get("/account", headers={"Authorization": "Bearer tsk_wrong"})
    nothing = browser.http.get("/api/v1/openapi.json")

    assert by_token.status_code == wrong.status_code == 401
    assert document.status_code == 200
    assert nothing.status_code == 401
    assert nothing.headers["content-type"] == "application/problem+json"
    assert nothing.headers["www-authenticate"] == "Bearer"
    assert nothing.json()["status"] == 401


def test_a_login_of_the_proxy_s_own_is_no_token(signed_in):
    """A proxy that asks for a password of its own sends it on with each request; browsers add it to all."""
    browser = signed_in(Role.ADMINISTRATOR)
    basic = {"Authorization": "Basic YW5uYTpwYXNzd29yZA=="}

    page = browser.get("/account", headers=basic)
    without = browser.http.post("/account/settings", data={"theme": "dark"}, headers=basic)
    with_it = browser.post("/account/settings", {"theme": "dark"}, headers=basic)

    assert page.status_code == 200
    assert (without.status_code, with_it.status_code) == (403, 303)


@pytest.mark.parametrize(
    "path", ["/login", "/account", "/nowhere", "/static/x/nothing.css", "/static/x/app.css", "/api/v1/nothing"]
)
def test_every_answer_has_the_headers(stranger, path):
    response = stranger.http.get(path)

    for name, value in ALWAYS.items():
        assert response.headers[name] == value
    assert "unsafe-inline" not in response.headers["content-security-policy"]
    assert response.headers["x-request-id"]
    assert "server" not in response.headers


def test_pages_are_kept_nowhere_and_static_files_for_ever(app, signed_in):
    browser = signed_in(Role.VIEWER)
    page = browser.get("/account")
    asset = re.search(r'href="(/static/[^"]+\.css)"', page.text)
    assert asset

    kept = browser.http.get(asset[1])
    old = browser.http.get("/static/000000000000/app.css")

    assert page.headers["cache-control"] == "no-store"
    assert "immutable" in kept.headers["cache-control"]
    assert old.headers["cache-control"] == "no-cache"
    assert "strict-transport-security" not in page.headers


def test_https_is_kept_to_where_it_is_used(make_app):
    browser = Browser(make_app(public_url="https://erp.example.com"), base_url="https://erp.example.com")

    assert "max-age" in browser.get("/login").headers["strict-transport-security"]


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e/app.py", "app.py", "app.css%00", "....//app.css"])
def test_only_static_files_are_served_as_such(stranger, name):
    assert stranger.http.get(f"/static/x/{name}").status_code in (404, 303)


HOSTS = [
    ("localhost", True),
    ("localhost:8742", True),
    ("LOCALHOST:1", True),
    ("127.0.0.1:8742", True),
    ("[::1]:8742", True),
    ("tasks.example.com", True),
    ("tasks.example.com:443", True),
    ("evil.example", False),
    ("localhost.evil.example", False),
    ("localhost:evil", False),
    ("evil.example:localhost", False),
    ("", False),
    ("localhost:8742@evil.example", False),
    ("localhost\t", False),
]


@pytest.mark.parametrize(("host", "own"), HOSTS)
def test_a_host_is_ours_or_refused(make_settings, host, own):
    names = own_names(make_settings(allowed_hosts=["tasks.example.com"]).console)

    assert is_own(host, names) is own


def test_a_forged_host_is_refused_before_anything_else(make_app, caplog):
    browser = Browser(make_app(), base_url="http://evil.example")

    with caplog.at_level(logging.WARNING, "taskserver.web"):
        response = browser.get("/login")

    assert response.status_code == 400
    assert "set-cookie" not in response.headers
    assert "evil.example" in caplog.text
    assert "evil.example" not in response.text


def test_a_public_address_is_allowed_and_so_is_its_origin(make_app, add_user):
    add_user(Role.VIEWER)
    app = make_app(public_url="https://erp.example.com", root_path="/tasks")
    browser = Browser(app, base_url="http://127.0.0.1:8742")
    browser.get("/login")
    secret = browser.page.headers["set-cookie"].partition("=")[2].partition(";")[0]

    response = browser.http.post(
        "/login",
        data={"csrf_token": browser.csrf, "name": "anna", "password": PASSWORD},
        headers={"origin": "https://erp.example.com", "cookie": f"taskserver_visit={secret}"},
    )

    assert response.headers["location"] == "/tasks/"


@pytest.mark.parametrize("path", ["/login", "/tasks/login"])
def test_a_root_path_works_whether_the_proxy_takes_it_off_or_not(make_app, add_user, path):
    add_user(Role.VIEWER)

    page = Browser(make_app(root_path="/tasks")).get(path)

    assert page.status_code == 200
    assert 'action="/tasks/login"' in page.text
    assert 'href="/tasks/static/' in page.text


def test_too_large_a_body_is_refused_unread(make_app, caplog):
    browser = Browser(make_app(body_limit=65536))

    with caplog.at_level(logging.WARNING, "taskserver.web"):
        announced = browser.http.post("/login", content=b"x" * 65537)
        streamed = browser.http.post("/login", content=iter([b"x" * 40_000, b"x" * 40_000]))

    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert caplog.text.count("too large") == 2


def test_a_stranger_has_room_for_a_small_form_alone(stranger, signed_in):
    form = b"x" * 20_000

    announced = stranger.http.post("/login", content=form)
    streamed = stranger.http.post("/login", content=iter([form[:10_000], form[10_000:]]))
    user = signed_in(Role.OPERATOR)
    user.get("/account")
    of_a_user = user.post("/logout", {"more": form.decode()})

    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert "16384" in announced.text
    assert of_a_user.status_code == 303


@pytest.mark.parametrize(("for_all", "for_strangers"), [(0.05, 30.0), (30.0, 0.05)])
def test_a_body_that_does_not_come_is_given_up(make_app, monkeypatch, caplog, for_all, for_strangers):
    monkeypatch.setattr(limits, "SECONDS_OF_STRANGERS", for_strangers)
    app = make_app(seconds_for_body=for_all)
    sent: list[dict[str, Any]] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/login",
        "raw_path": b"/login",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("10.0.0.1", 5),
        "headers": [
            (b"host", b"localhost"),
            (b"content-length", b"10"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ],
    }
    with caplog.at_level(logging.WARNING, "taskserver.web"):
        asyncio.run(app(scope, never, send))

    assert sent[0]["status"] == 408
    assert "too slowly" in caplog.text


def test_an_error_that_nobody_foresaw_says_nothing_but_its_number(make_app, signed_in, monkeypatch, caplog):
    browser = signed_in(Role.ADMINISTRATOR)

    def fail(_store):
        raise RuntimeError("password=geheim in /srv/secret.py")

    monkeypatch.setattr("taskserver.web.scope.server.ScopedServer.nodes", fail)
    with caplog.at_level(logging.ERROR, "taskserver.web"):
        response = browser.get("/nodes")

    assert response.status_code == 500
    assert "geheim" not in response.text
    assert "Traceback" not in response.text
    assert response.headers["x-request-id"] in response.text
    assert "RuntimeError: password=geheim" in caplog.text


DATABASE_FAULTS = [
    DatabaseUnavailable(database="sqlite", reason="in /srv/vault the disk is full"),
    DatabaseBusy(database="sqlite:////srv/vault"),
    DatabaseRefused(database="postgresql://vault@host/name", reason="no pg_hba.conf entry"),
    FileRefused(file="/srv/vault", reason="it is a folder"),
]


@pytest.mark.parametrize("fault", DATABASE_FAULTS, ids=lambda fault: type(fault).__name__)
def test_what_the_database_says_is_for_the_administrators_of_all_clients_alone(
    store, acme, stranger, signed_in, monkeypatch, caplog, fault
):
    of_one = signed_in(Role.ADMINISTRATOR, "acme", name="berta")
    of_all = signed_in(Role.ADMINISTRATOR)
    stranger.get("/login")
    for browser in (of_one, of_all):
        browser.get("/account")

    def fail(*_arguments, **_more):
        raise fault

    monkeypatch.setattr(store.users, "credentials", fail)
    monkeypatch.setattr(store.jobs, "start", fail)
    told = [
        stranger.post("/login", {"name": "anna", "password": "no matter"}),
        of_one.post(f"/jobs/{acme.jobs['waiting']}/start"),
        of_all.post(f"/jobs/{acme.jobs['waiting']}/start"),
    ]

    assert [each.status_code for each in told] == [503] * 3
    assert ["vault" in each.text for each in told[:2]] == [False, False]
    assert all("the database can't be used" in html.unescape(each.text) for each in told[:2])
    assert str(fault) in html.unescape(told[2].text)
    assert str(fault) in caplog.text


@pytest.mark.parametrize("fault", DATABASE_FAULTS, ids=lambda fault: type(fault).__name__)
def test_without_its_database_the_console_says_so(make_app, store, signed_in, monkeypatch, fault):
    browser = signed_in(Role.ADMINISTRATOR)

    def gone(*_arguments, **_more):
        raise fault

    monkeypatch.setattr(store.sessions, "resume", gone)
    page, document = browser.get("/account"), browser.get("/api/v1/jobs")

    assert (page.status_code, document.status_code) == (503, 503)
    assert "vault" not in page.text + document.text
    assert document.json()["code"] == "database-unavailable"


def test_the_log_has_a_line_for_each_request_and_no_secret(stranger, add_user, caplog):
    add_user(Role.VIEWER)
    with caplog.at_level(logging.DEBUG, "taskserver.web"):
        stranger.sign_in("anna")
        stranger.get("/first-login?link=very-secret")
        stranger.get("/account%0A2026 forged line")
        secret = stranger.http.cookies["taskserver_session"]

    lines = [record.getMessage() for record in caplog.records if record.name == "taskserver.web.access"]
    assert len(lines) == 4
    assert re.search(r"^\w+-\d+ testclient 'anna' \"GET /account\\n2026 forged line\" 404 \d+ ms$", lines[-1])
    for hidden in (PASSWORD, "very-secret", secret):
        assert hidden not in caplog.text


def test_routes_go_to_the_database_by_the_scope_alone():
    """Whoever adds a page or a part of the API asks `visit.scope`; signing in has a module of its own."""
    reaching = re.compile(r"\bstore\b|\bdatabase\b|\bsqlalchemy\b|_door\b")
    allowed = {"pages/login.py": r"visit\.console\.store\.users\.any\(\)"}

    found = []
    for path in [*(WEB / "pages").glob("*.py"), *(WEB / "api").glob("*.py")]:
        name = f"{path.parent.name}/{path.name}"
        for line in path.read_text("utf-8").splitlines():
            names_only = re.sub(allowed.get(name, r"(?!)"), "", line)
            is_import_of_values = re.match(r"from taskserver\.(store|database)(\.\w+)* import [A-Z]", line)
            is_prose = re.match(r'\s*("""|#)|^[A-Z]', line)
            if reaching.search(names_only) and not is_import_of_values and not is_prose:
                found.append((name, line))

    assert found == []


def test_templates_hold_no_code_and_mark_nothing_as_safe():
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe\b|autoescape false"
    )

    found = [
        (path.name, line)
        for path in (WEB / "templates").glob("*.html")
        for line in path.read_text("utf-8").splitlines()
        if inline.search(line)
    ]

    assert found == []
