"""A real browser, Debian's chromium, in front of a real server."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import PASSWORD
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright
from waiting import eventually

from taskserver.web.serving import ConsoleServer

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not longer than for one file: the event loop of playwright is in the way of others in this process."""
    if CHROMIUM is None:
        pytest.skip("needs the Debian package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def address(make_app: Callable[..., Any], make_settings: Callable[..., Any]) -> Iterator[str]:
    """Where the console is served for this test, by uvicorn in a thread."""
    console = {"refresh_interval": 0.5}
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = ConsoleServer(make_app(**console), make_settings(**console).console, listening)
    ready = threading.Event()
    thread = threading.Thread(target=server.serve, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{port}"
    server.stop()
    thread.join(30)
    assert not thread.is_alive()


class Window:
    """One page in the browser, and whatever it complains of: a script's error, a refusal by the policy."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "401" not in text and "404" not in text:
            self.complaints.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def sign_in(self, name: str = "anna", password: str = PASSWORD) -> Page:
        self.open("/login")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("button.primary")
        self.page.wait_for_selector(".side")
        return self.page

    def until(self, expression: str) -> Any:
        """The first true value of a JavaScript expression, also of a page that is only just coming."""

        def look() -> Any:
            try:
                return self.page.evaluate(expression)
            except Error:  # the page has gone on to another one
                return None

        return eventually(look, what=expression, seconds=20)


@pytest.fixture
def make_window(chromium: Browser, address: str) -> Iterator[Callable[..., Window]]:
    windows: list[tuple[BrowserContext, Window]] = []

    def make(**more: Any) -> Window:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", **more)
        window = Window(context, address)
        windows.append((context, window))
        return window

    yield make
    for context, window in windows:
        context.close()
        assert window.complaints == []


@pytest.fixture
def window(make_window: Callable[..., Window]) -> Window:
    return make_window()


@pytest.fixture(scope="session")
def static() -> Path:
    import taskserver.web.assets

    return taskserver.web.assets.STATIC
