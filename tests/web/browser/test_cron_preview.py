"""The form of a cron entry in a real browser: what the schedule means is shown while it is typed."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]


def test_the_preview_follows_what_is_typed_and_leaves_the_cursor_alone(window, add_user, acme):
    add_user(Role.ADMINISTRATOR, "acme")
    window.sign_in()
    page = window.open("/cron-entries/new?task=ocr")
    shown = "document.getElementById('part_preview').textContent"

    page.fill("#name", "nightly")
    page.focus("#cron_spec")
    page.keyboard.type("0 0 13 * 5")
    window.until(f"{shown}.includes('2026-11-27')")
    sentence = page.inner_text("#part_preview .sentence")
    traps = page.locator("#part_preview .flash.note").count()
    page.keyboard.type("x")
    window.until("document.querySelector('#part_preview .fault') !== null")
    page.keyboard.press("Backspace")
    window.until("document.querySelector('#part_preview .sentence') !== null")

    assert "Friday" in sentence
    assert traps >= 1
    assert page.evaluate("document.activeElement.id") == "cron_spec"
    assert page.input_value("#cron_spec") == "0 0 13 * 5"
    assert page.input_value("#name") == "nightly"
    assert page.locator(".without-script").count() == 0


def test_the_same_by_a_button_without_scripts(make_window, add_user, acme):
    add_user(Role.ADMINISTRATOR, "acme")
    window = make_window(java_script_enabled=False)
    window.sign_in()
    page = window.open("/cron-entries/new?task=ocr")

    page.fill("#cron_spec", "0 3 * * 1")
    page.click("text=Preview")

    assert "Monday" in page.inner_text("#part_preview .sentence")
    assert page.locator("#part_preview li").count() == 8
    assert page.input_value("#cron_spec") == "0 3 * * 1"
