"""Every page in a real browser: axe-core finds no fault, light and dark, and nothing is wider than the screen.

With `--screenshots DIR` a picture of each is written, at 1280 and 390 pixels, light and dark, in both languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from furnished import furnish
from playwright.sync_api import Page
from waiting import eventually

from taskserver.store.login_links import FIRST_ADMINISTRATOR
from taskserver.web.security.tokens import secret_hash

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
WIDTHS = (1280, 390)
THEMES = ("light", "dark")

NO_PAGES = (
    *("/static/{version}/{name}", "/favicon.ico", "/history.csv", "/", "/first-login"),
    *("/healthz", "/readyz", "/metrics"),
)
"""Routes that show no page, and the one that is seen while there is no user."""


def faults(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds: the rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"], "elementRef": False}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{page.url} {violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]


def look(page: Page) -> list[str]:
    """Light with every rule, dark with those that colours have a part in."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = faults(page)
    page.emulate_media(color_scheme="dark")
    return found + [f"dark: {fault}" for fault in faults(page, ["color-contrast", "link-in-text-block"])]


STANDS_OUT = """() => {
  const scrolls = ".scroll, pre, textarea, .visually-hidden, thead";
  const shown = [...document.querySelectorAll("main *")].filter((e) => !e.closest(scrolls));
  const room = (e) => e.closest("table.cards tr, .card, main").getBoundingClientRect().right;
  const out = shown.filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > room(e) + 1);
  return out.slice(0, 3).map((e) => e.outerHTML.slice(0, 120));
}"""
"""What is cut off by, or stands out of, its row, its card or the page."""


def too_wide(page: Page) -> list[str]:
    """Names what has no room, on a phone or on a screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    found = [f"{page.url} stands out on a phone: {each}" for each in page.evaluate(STANDS_OUT)]
    page.set_viewport_size({"width": 1280, "height": 800})
    return found + [f"{page.url} stands out: {each}" for each in page.evaluate(STANDS_OUT)]


@pytest.fixture
def first_login(store, address):
    """The page that is there while there is no user."""
    store.login_links.make(secret_hash("first"), FIRST_ADMINISTRATOR, lifetime=_hour())
    return f"{address}/first-login?link=first"


def test_no_page_has_a_fault_and_none_is_forgotten(window, app, store, node, clock, daemon, add_user, first_login):
    page = window.page
    page.goto(first_login)
    found = look(page)
    window.open("/login")
    found += look(page)
    house = furnish(store, node, clock, daemon, add_user)

    for path in house.strangers.values():
        window.open(path)
        found += look(page)
    window.sign_in()
    for path in house.pages.values():
        window.open(path)
        found += look(page)
        found += too_wide(page)

    for path, reach in house.states.values():
        window.open(path)
        reach(page)
        found += look(page)
        found += too_wide(page)
    store.users.edit("anna", language="de")  # German words are longer
    for path in house.pages.values():
        window.open(path)
        found += [f"German: {each}" for each in too_wide(page)]
    window.complaints.clear()  # the browser itself notes each form that is refused

    assert not found, "\n".join(found)
    seen = [path.partition("?")[0] for path in (*house.pages.values(), *house.strangers.values())]
    pages = [route for route in app.state.routes if "GET" in route.methods and not route.path.startswith("/api/")]
    missing = [
        route.path
        for route in pages
        if route.path not in NO_PAGES
        and not route.include_in_schema
        and not any(re.fullmatch(route.path_regex, path) for path in seen)
    ]
    assert missing == []


def test_pictures_of_every_page(request, make_window, store, node, clock, daemon, add_user, first_login):
    folder = request.config.getoption("--screenshots")
    if not folder:
        pytest.skip("writes pictures with --screenshots DIR alone")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    window = make_window()

    def take(name: str, path: str, language: str, reach: Callable[[Page], None] = lambda page: None) -> None:
        window.page.set_viewport_size({"width": 1280, "height": 900})
        window.page.goto(path)
        reach(window.page)
        for theme in THEMES:
            window.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width in WIDTHS:
                window.page.set_viewport_size({"width": width, "height": 900})
                file = folder / f"{name}-{width}-{theme}-{language}.png"
                window.page.screenshot(path=file, full_page=True)

    take("first-login", first_login, "en")
    house = furnish(store, node, clock, daemon, add_user)
    for name, path in house.strangers.items():
        take(name, window.address + path, "en")
    window.sign_in()
    for language in ("en", "de"):
        store.users.edit("anna", language=language)
        for name, path in house.pages.items():
            take(name, window.address + path, language)
        for name, (path, reach) in house.states.items():
            take(name, window.address + path, language, reach)
    daemon.state = "stopped"
    store.switches.set_autostart(False)
    eventually(lambda: "läuft nicht" in window.open("/server").inner_text("#part_banners"), pause=0.5)
    take("banners", f"{window.address}/tasks", "de")
    window.complaints.clear()

    assert len(list(folder.glob("*.png"))) >= 4 * (len(house.strangers) + 2 * len(house.pages))


def _hour():
    from datetime import timedelta

    return timedelta(hours=1)
