"""The page of jobs by keyboard alone, on a phone, and while somebody types."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]


@pytest.fixture
def at_work(window, add_user, acme):
    """An administrator before the page of jobs of a client."""
    add_user(Role.ADMINISTRATOR)
    window.sign_in()
    window.open("/tasks")
    return window


FOCUS = "document.activeElement.id"


def test_every_shortcut_does_what_the_help_says(at_work, acme):
    page = at_work.page
    first, second = (f"job-{acme.jobs[kind]}" for kind in ("running", "waiting"))

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    # Through the rows, and selecting one.
    press("j")
    assert page.evaluate(FOCUS) == first
    press("j")
    assert page.evaluate(FOCUS) == second
    press("x")
    assert page.is_checked(f"#select-{acme.jobs['waiting']}")
    press("x", "k", "k")
    assert not page.is_checked(f"#select-{acme.jobs['waiting']}")
    assert page.evaluate(FOCUS) == first

    # To the search, where keys are letters again.
    press("/")
    page.keyboard.type("jx?")
    assert (page.evaluate(FOCUS), page.input_value("#text")) == ("text", "jx?")
    assert page.evaluate("document.getElementById('shortcuts').open") is False
    page.evaluate("document.activeElement.blur()")

    # The help names every page that there is a key for.
    press("?")
    listed = page.locator("#shortcuts tr:has(kbd:text-is('g')) kbd:last-of-type").all_inner_texts()
    assert listed == page.locator("#navigation a").evaluate_all(
        "all => all.map(a => a.dataset.key).filter(Boolean)"
    )
    assert {"t", "c", "h"} <= set(listed)
    press("Escape")

    # To pages; what is no page's letter goes nowhere.
    for key, path in (("c", "/cron-entries"), ("h", "/history"), ("t", "/tasks")):
        press("g", key)
        at_work.until(f"location.pathname === '{path}'")
        at_work.until("document.body.dataset.shortcuts === 'on' && document.readyState === 'complete'")
    press("g", "q")
    assert page.url.endswith("/tasks")


def test_what_is_being_typed_in_a_filter_stays_while_the_page_changes(at_work, acme, store):
    page = at_work.page
    page.focus("#text")
    page.keyboard.type("half a wo")
    page.evaluate("document.getElementById('text').setSelectionRange(5, 6)")
    page.select_option("#task", "ocr")
    page.focus("#text")

    store.jobs.enqueue("ocr", {"path": "new"}, client="acme", title="quite new", priority=9)
    at_work.until("document.getElementById('part_jobs').innerText.includes('quite new')")

    assert page.input_value("#text") == "half a wo"
    assert page.input_value("#task") == "ocr"
    where = (
        "[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    )
    assert page.evaluate(where) == ["text", 5, 6]


def test_a_job_is_steered_on_a_phone(make_window, add_user, acme, store):
    add_user(Role.OPERATOR)
    window = make_window(has_touch=True, is_mobile=True)
    page = window.page
    page.set_viewport_size({"width": 390, "height": 844})
    window.open("/login")
    page.fill("#name", "anna")
    page.fill("#password", "correct horse battery")
    page.tap("button.primary")
    window.until("location.pathname === '/tasks'")

    page.tap(".menu-button")
    shown = page.is_visible("#navigation a[data-key=h]")
    page.tap("#navigation a[data-key=t]")
    window.until("!document.querySelector('#navigation').matches(':popover-open')")
    page.tap(f"#job-{acme.jobs['waiting']}-menu summary")
    menu = page.locator(f"#job-{acme.jobs['waiting']}-menu ul").bounding_box()
    page.tap(f"#job-{acme.jobs['waiting']}-stop")
    window.until(f"document.querySelector('#job-{acme.jobs['waiting']} .status').classList.contains('stopped')")

    assert shown
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.locator(".content button:visible, .content .button:visible").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
    )
    assert small == []
    assert store.jobs.get(acme.jobs["waiting"])["status"] == "stopped"
