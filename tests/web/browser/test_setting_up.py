"""An administrator sets the console up in a real browser, in German, without scripts; a new user comes in."""

from __future__ import annotations

import pytest

from taskserver.store import Grant, Role

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]


def test_a_client_is_set_up_and_its_user_works_in_it(make_window, add_user, store, node):
    add_user(Role.ADMINISTRATOR, language="de")
    window = make_window(java_script_enabled=False)
    page = window.sign_in()

    # A client with a login: the task server is on for it.
    page.click("#navigation a:text-is('Mandanten')")
    page.click("text=Neuer Mandant")
    page.fill("#name", "muehle")
    page.fill("#title", "Mühle & Söhne")
    page.fill("#login", "batch")
    page.click("text=Speichern")
    client = store.clients.get("muehle")
    row = page.inner_text(f"#client-{client['id']}")
    assert "Der Mandant muehle ist angelegt." in page.inner_text("#part_flash")
    assert "Mühle & Söhne" in row
    assert "an" in row.split()

    # A user who may work in it, with a link in place of a password.
    page.click("#navigation a:text-is('Benutzer')")
    page.click("text=Neuer Benutzer")
    page.fill("#name", "bert")
    page.select_option("#role", "operator")
    page.select_option("#client", "muehle")
    page.click("text=Anlegen")
    link = page.input_value("#secret")
    assert store.users.get("bert")["roles"] == [Grant(Role.OPERATOR, client["id"], "muehle")]

    # Bert chooses a password, is in, and queues a job for the one client that he sees.
    bert = make_window(java_script_enabled=False).page
    bert.goto(link)
    bert.fill("#password", "battery staple")
    bert.fill("#again", "battery staple")
    bert.click("button.primary")
    bert.click("text=Queue a job")
    bert.click("text=ocr")
    bert.fill("#a-path", "/scans/1")
    bert.click("form.queue button.primary")
    job = store.jobs.find()[0]
    assert (job["client"], job["created_by"]) == ("muehle", "bert")
    assert not bert.locator("#navigation a:text-is('Users')").count()

    # The audit tells all of it; what is deleted is asked first.
    page.click("#navigation a:text-is('Prüfprotokoll')")
    told = page.inner_text("main table")
    for words in ("Mandanten angelegt", "Benutzer angelegt", "Link für ein neues Passwort", "Aufgabe eingereiht"):
        assert words in told
    page.goto(f"{window.address}/clients/{client['id']}/delete")
    assert "Er kann nicht gelöscht werden" in page.inner_text("main")
    store.jobs.delete(job["id"])
    page.reload()
    assert "bert" in page.inner_text("main")
    page.click("main button.danger")
    assert "Der Mandant muehle ist gelöscht." in page.inner_text("#part_flash")
    bert.reload()
    assert "Not found" in bert.inner_text("main")
