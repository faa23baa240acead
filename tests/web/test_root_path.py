"""Behind a reverse proxy: under the same address whether the proxy leaves the root path on or takes it off."""

from __future__ import annotations

import pytest
from browsing import PASSWORD, Browser

from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")

TYPED = {
    "/tasks/": 303,
    "/tasks/tasks": 200,
    "/tasks/tasks/new": 200,
    "/tasks/history": 200,
    "/tasks/jobs/1": 404,
    "/tasks/nowhere": 404,
}
"""What people type, and what they get; /tasks is a page of the console's own, too."""


@pytest.fixture
def browser(make_app, add_user) -> Browser:
    add_user(Role.ADMINISTRATOR)
    browser = Browser(make_app(root_path="/tasks"))
    browser.get("/tasks/login")
    assert browser.post("/tasks/login", {"name": "anna", "password": PASSWORD}).status_code == 303
    browser.http.headers["cookie"] = f"taskserver_session={browser.http.cookies['taskserver_session']}"
    return browser


@pytest.mark.parametrize("path", list(TYPED))
def test_a_proxy_may_leave_it_on_or_take_it_off(browser, path):
    left_on = browser.get(path)
    taken_off = browser.get(path.removeprefix("/tasks"))

    assert left_on.status_code == taken_off.status_code == TYPED[path]
    assert left_on.headers.get("location") == taken_off.headers.get("location")
    assert left_on.text.partition("<h1")[2][:40] == taken_off.text.partition("<h1")[2][:40]


def test_the_way_in_ends_at_a_page(browser):
    """Not at itself: /tasks without its proxy's part is the page, and with it the top."""
    for start in ("/", "/tasks", "/tasks/"):
        page = browser.get(start)
        for _ in range(3):
            page = browser.get(page.headers["location"]) if page.status_code == 303 else page

        assert page.status_code == 200, start


def test_the_api_and_its_document_lie_below_it(browser):
    for path in ("/tasks/api/v1/openapi.json", "/api/v1/openapi.json", "/tasks/api/v1/tasks", "/api/v1/tasks"):
        assert browser.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ["/tasksx", "/tasks//evil.example", "/tasks/.."])
def test_what_only_begins_so_is_no_way_around_the_gate(make_app, path):
    answer = Browser(make_app(root_path="/tasks")).get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/tasks/login")
