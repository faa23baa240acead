"""The pages of cron entries: the list, one of them, the form with its preview, and what is done to one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import Role
from taskserver.web import schedules
from taskserver.web.moments import use_zone, zone

pytestmark = pytest.mark.only_on("sqlite")

FORM = {
    "name": "nightly",
    "task": "ocr",
    "client": "acme",
    "cron_spec": "30 2 * * *",
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
def entry(store, acme):
    def make(name, client="acme", cron_spec="0 3 * * *", **more):
        return store.entries.add(
            name, "ocr", {"path": "/x"}, cron_spec=cron_spec, time_zone="UTC", client=client, **more
        )

    return make


def names(page):
    return re.findall(r'<tr id="entry-\d+".*?<a href="[^"]+">([^<]*)</a>', page.text, re.DOTALL)


def test_the_list_shows_the_schedule_in_words_the_runs_and_the_outcomes(store, signed_in, entry, node, clock):
    entry_id = entry("nightly", title="Every night")
    for error in (None, "disk full"):
        claim = node.claim(store.entries.run(entry_id))
        node.end(claim, Outcome.failed(error) if error else Outcome.finished("done"))

    page = signed_in(Role.VIEWER, "acme").get("/cron-entries").text
    row = page.split(f'id="entry-{entry_id}"')[1].split("</tr>")[0]

    assert schedules.sentence("0 3 * * *") in row
    assert "<code>0 3 * * *</code> UTC" in row
    assert "2026-11-23 04:00" in row
    assert re.findall(r'class="outcome (\w+)"', row) == ["failed", "finished"]
    assert "<form" not in row
    assert "New cron entry" not in page


def test_filters_and_pages(signed_in, entry, monkeypatch):
    monkeypatch.setattr("taskserver.web.pages.cron_entries.ROWS", 2)
    for number in range(5):
        entry(f"x {number}", active=number != 4)
    browser = signed_in(Role.VIEWER, "acme")

    def follow(page, rel):
        return browser.get(page.text.split(f'rel="{rel}" href="')[1].split('"')[0].replace("&amp;", "&"))

    first = browser.get("/cron-entries?text=x+")
    second = follow(first, "next")
    third = follow(second, "next")

    assert [names(page) for page in (first, second, third)] == [["x 0", "x 1"], ["x 2", "x 3"], ["x 4"]]
    assert names(follow(third, "prev")) == ["x 2", "x 3"]
    assert names(follow(follow(third, "prev"), "prev")) == ["x 0", "x 1"]
    assert 'rel="prev"' not in first.text
    assert 'rel="next"' not in third.text
    assert names(browser.get("/cron-entries?state=paused")) == ["x 4"]
    assert names(browser.get("/cron-entries?client=nobody")) == []
    assert browser.get("/cron-entries?after=x").status_code == 400


def test_an_entry_shows_its_next_times_and_what_was_missed(store, signed_in, entry, clock, node):
    entry_id = entry("nightly", misfire="skip")
    clock.advance(days=3)
    node.beat()

    page = signed_in(Role.VIEWER, "acme").get(f"/cron-entries/{entry_id}").text

    assert "3 due times" in page
    assert "2026-11-23 04:00 to 2026-11-25 04:00" in page
    assert "the task server did not run" in page
    assert page.count("<li><time") >= schedules.TIMES


def test_run_now_pause_and_resume(store, signed_in, entry):
    entry_id = entry("nightly")
    browser = signed_in(Role.OPERATOR, "acme")
    browser.get(f"/cron-entries/{entry_id}")

    ran = browser.followed(browser.post(f"/cron-entries/{entry_id}/run"))
    paused = browser.followed(browser.post(f"/cron-entries/{entry_id}/pause?from=list"))
    was_active = store.entries.get(entry_id)["active"]
    browser.followed(browser.post(f"/cron-entries/{entry_id}/resume"))

    job = store.jobs.get(int(re.search(r"as job (\d+)", ran.text)[1]))  # type: ignore[index]
    assert (job["cron_entry_id"], job["status"]) == (entry_id, "waiting")
    assert "It is paused" in paused.text
    assert paused.url.path == "/cron-entries"
    assert (was_active, store.entries.get(entry_id)["active"]) == (False, True)
    assert [row["action"] for row in store.audit.find()][:3] == ["entry.enable", "entry.disable", "entry.run"]


def test_delete_asks_first(store, signed_in, entry):
    entry_id = entry("nightly")
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    asked = browser.get(f"/cron-entries/{entry_id}/delete")
    still = len(store.entries.find("acme"))
    told = browser.followed(browser.post(f"/cron-entries/{entry_id}/delete"))

    assert "Delete nightly?" in asked.text
    assert "The cron entry nightly is deleted" in told.text
    assert len(store.entries.find("acme")) == still - 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_is_no_administrator_sees_no_forms_and_changes_nothing(store, signed_in, entry, role):
    entry_id = entry("nightly")
    browser = signed_in(role, "acme")
    page = browser.get(f"/cron-entries/{entry_id}").text

    assert ("Run now" in page) is (role == Role.OPERATOR)
    assert "/edit" not in page
    assert "/delete" not in page
    assert browser.get(f"/cron-entries/{entry_id}/edit").status_code == 403
    assert browser.get("/cron-entries/new").status_code == 403
    browser.get("/account")
    assert browser.post("/cron-entries/new", FORM).status_code == 403
    assert browser.post(f"/cron-entries/{entry_id}/delete").status_code == 403
    if role == Role.VIEWER:
        assert browser.post(f"/cron-entries/{entry_id}/run").status_code == 403
    assert store.entries.get(entry_id)["active"]


def test_another_client_s_entry_is_not_there(signed_in, acme, bolt):
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    for path in ("", "/edit", "/delete", "/task"):
        assert browser.get(f"/cron-entries/{bolt.entry}{path}").status_code == 404
    assert browser.get(f"/cron-entries/new?copy={bolt.entry}").status_code == 404
    assert bolt.mark not in browser.get("/cron-entries").text
    browser.get("/account")
    for path in ("run", "pause", "resume", "delete", "edit"):
        assert browser.post(f"/cron-entries/{bolt.entry}/{path}").status_code == 404
    assert browser.post("/cron-entries/new", {**FORM, "client": "bolt", "a.path": "/x"}).status_code == 404


def test_a_new_entry_is_made_with_a_form_for_its_task(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    chosen = browser.get("/cron-entries/new")
    form = browser.get("/cron-entries/new?task=ocr&client=acme")
    made = browser.followed(browser.post("/cron-entries/new", {**FORM, "a.path": "/scans", "paused": "true"}))

    assert '<option value="ocr">' in chosen.text
    assert 'name="a.path"' in form.text
    assert 'value="Europe/Berlin"' in form.text
    assert "The cron entry is stored." in made.text
    [entry] = [row for row in store.entries.find("acme") if row["name"] == "nightly"]
    assert (entry["data"], entry["cron_spec"], entry["active"]) == ({"path": "/scans"}, "30 2 * * *", False)
    assert entry["created_by"] == "anna"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"a.path": ""}, "is missing"),
        ({"cron_spec": "61 * * * *"}, "61"),
        ({"time_zone": "Mars/Olympus"}, "there is no time zone"),
        ({"name": " "}, "give the cron entry a name"),
        ({"priority": "high"}, "must be a whole number"),
        ({"name": "taken"}, "already"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(store, signed_in, entry, wrong, said):
    entry("taken")
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    browser.get("/cron-entries/new?task=ocr")
    before = len(store.entries.find())

    page = browser.post("/cron-entries/new", {**FORM, "a.path": "/scans", "description": "kept", **wrong})

    assert page.status_code in (400, 409, 422)
    assert said in page.text
    assert "kept</textarea>" in page.text
    assert len(store.entries.find()) == before


def test_without_scripts_a_button_shows_the_preview_and_stores_nothing(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    browser.get("/cron-entries/new?task=ocr")
    before = len(store.entries.find())

    page = browser.post(
        "/cron-entries/new", {**FORM, "cron_spec": "0 0 13 * 5", "a.path": "/kept", "preview": "1"}
    )

    assert page.status_code == 200
    assert schedules.sentence("0 0 13 * 5") in page.text
    assert page.text.count("<li><time") == schedules.TIMES
    assert 'class="flash note"' in page.text
    assert 'value="/kept"' in page.text
    assert len(store.entries.find()) == before


def test_the_preview_alone_is_a_part(signed_in, acme):
    browser = signed_in(Role.VIEWER, "acme")

    part = browser.parts("/cron-entries/preview?cron_spec=0+3+*+*+*&time_zone=UTC", "part_preview").text
    wrong = browser.parts("/cron-entries/preview?cron_spec=0+25+*+*+*&time_zone=UTC", "part_preview").text
    empty = browser.parts("/cron-entries/preview", "part_preview").text

    assert part.startswith('<div id="part_preview"')
    assert "Mon 2026-11-23 03:00 UTC" in part
    assert 'class="fault"' in wrong
    assert 'class="fault"' in empty


def test_an_edit_without_a_change_changes_nothing_and_keeps_secrets(store, signed_in, acme):
    store.entries.edit(acme.entry, data={"path": "/x", "password": "swordfish"})
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    before = store.entries.get(acme.entry)

    form = browser.get(f"/cron-entries/{acme.entry}/edit").text
    sent = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form))
    browser.followed(browser.post(f"/cron-entries/{acme.entry}/edit", sent))

    assert "swordfish" not in form
    assert sent["a.password"] == "***"
    assert store.entries.get(acme.entry) == before


def test_an_edit_changes_what_was_changed(store, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    browser.get(f"/cron-entries/{acme.entry}/edit")

    browser.followed(
        browser.post(
            f"/cron-entries/{acme.entry}/edit",
            {"name": "renamed", "cron_spec": "0 4 * * *", "a.path": "/new", "misfire": "all", "priority": "7"},
        )
    )

    entry = store.entries.get(acme.entry)
    assert (entry["name"], entry["data"], entry["misfire"], entry["priority"]) == (
        "renamed",
        {"path": "/new"},
        "all",
        7,
    )
    assert entry["next_run_at"].hour == 4


def test_a_copy_has_everything_of_the_other_the_secrets_too(store, signed_in, acme):
    store.entries.edit(acme.entry, data={"path": "/x", "password": "swordfish"})
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    form = browser.get(f"/cron-entries/new?copy={acme.entry}").text
    sent = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form))
    browser.followed(browser.post(f"/cron-entries/new?copy={acme.entry}", {**sent, "client": "acme"}))

    [copied] = [row for row in store.entries.find("acme") if row["name"] == f"entry {acme.mark} (copy)"]
    assert copied["data"] == {"path": "/x", "password": "swordfish"}
    assert copied["cron_spec"] == "0 3 * * *"


def test_secrets_can_not_be_copied_out_of_a_client_that_one_only_looks_at(store, signed_in, acme, bolt):
    browser = signed_in(Role.ADMINISTRATOR, "acme")
    store.users.set_role("anna", Role.OPERATOR, client="bolt")
    browser.get("/account")

    answer = browser.post(f"/cron-entries/new?copy={bolt.entry}", {**FORM, "a.path": "/x", "a.password": "***"})

    assert answer.status_code == 403


def test_the_day_ahead_shows_collisions_and_gaps_in_a_picture_and_in_words(signed_in, entry):
    entry("early", cron_spec="0 1 * * *")
    entry("also", cron_spec="0 1,3 * * *")
    entry("all the time", cron_spec="* * * * *", active=False)

    page = signed_in(Role.VIEWER, "acme").get("/cron-entries").text
    picture = page.split("<svg")[1].split("</svg>")[0]

    assert picture.count('class="due"') == 4
    assert picture.count('class="collision"') == 2
    assert "all the time" not in picture
    assert re.search(r"02:00</time> also, early|02:00</time> early, also", page)
    assert "from 09:00 to 02:00" in page


def test_the_day_is_right_over_a_change_of_the_clocks(clock):
    use_zone("Europe/Berlin")
    clock.now = clock.now.replace(month=10, day=24, hour=20)
    entry = {"name": "x", "task": "t", "active": True, "cron_spec": "30 2 * * *", "time_zone": "Europe/Berlin"}

    day = schedules.timeline([entry], now=clock.now, zone=zone(), durations={"t": timedelta(hours=2)})
    use_zone("UTC")

    assert len(day.lanes[0].marks) == 1
    assert day.lanes[0].marks[0][1] == pytest.approx(83.33)
    assert len(day.hours) == 24
    assert [word for _, word in day.hours if word] == [
        "00:00",
        "03:00",
        "06:00",
        "09:00",
        "12:00",
        "15:00",
        "18:00",
        "21:00",
    ]


def test_an_entry_that_is_due_all_the_time_is_a_band_and_what_is_broken_is_left_empty():
    now = schedules.datetime(2026, 11, 22, 8, tzinfo=schedules.ZoneInfo("UTC"))
    rows = [
        {"name": name, "task": "t", "active": True, "cron_spec": spec, "time_zone": "UTC"}
        for name, spec in (("band", "* * * * *"), ("broken", "no cron"))
    ]

    day = schedules.timeline(rows, now=now, zone=now.tzinfo, durations={})

    assert [(lane.entry["name"], lane.band, len(lane.marks)) for lane in day.lanes] == [
        ("band", True, 1),
        ("broken", False, 0),
    ]
    assert day.gaps == ()
