"""Pages as people see them: in their language, their zone, their theme, with what they must know at the top."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from browsing import PASSWORD, Browser

from taskserver.store import Role
from taskserver.web import moments
from taskserver.web.language import wanted_language

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages


def test_home_leads_to_the_first_page_that_one_may_see(signed_in):
    for_all, for_nothing = signed_in(Role.VIEWER), signed_in(None, name="bert")

    assert for_all.get("/").headers["location"] == "/tasks"
    assert for_nothing.get("/").headers["location"] == "/account"
    assert "an administrator has to give you a role" in for_nothing.get("/account").text


def test_nodes_are_shown_with_their_state(store, node, signed_in, clock):
    browser = signed_in(Role.VIEWER)
    node.beat()

    alive = browser.get("/nodes")
    clock.advance(minutes=2)
    dead = browser.get("/nodes")

    for word in ("here", "alive", "<code>ocr</code>", "1 task", "0 seconds ago", "0 of 4", "50 MB"):
        assert word in alive.text
    assert "no sign of life" in dead.text
    assert "2 minutes ago" in dead.text


def test_a_node_is_told_to_claim_nothing_and_to_claim_again(store, node, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/nodes")

    browser.post(f"/nodes/{node.row}/stop-claiming")
    stopped = browser.get("/nodes").text
    browser.post(f"/nodes/{node.row}/claim")
    again = browser.get("/nodes").text

    assert "Node here claims nothing more; what it runs goes on." in stopped
    assert "claims nothing</span>" in stopped
    assert "Node here claims jobs again." in again
    assert "claims nothing</span>" not in again
    said = [(row["action"], row["detail"]) for row in store.audit.find() if row["action"].startswith("node.")]
    assert said == [("node.claim", {"node": "here"}), ("node.stop_claiming", {"node": "here"})]


def test_only_an_administrator_of_all_clients_steers_nodes(store, acme, node, signed_in):
    operator, of_one = signed_in(Role.OPERATOR), signed_in(Role.ADMINISTRATOR, "acme", name="bert")
    page = operator.get("/nodes")
    of_one.get("/account")

    refused = [browser.post(f"/nodes/{node.row}/stop-claiming").status_code for browser in (operator, of_one)]

    assert refused == [403, 403]
    assert "stop-claiming" not in page.text
    assert store.nodes.find()[0]["claiming"] is True


def test_a_node_that_has_ended_is_not_found(store, node, signed_in):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/nodes")
    store.nodes.leave(node.row)

    assert browser.post(f"/nodes/{node.row}/claim").status_code == 404


def test_nodes_are_for_those_who_see_every_client(store, acme, signed_in):
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    response = browser.get("/nodes")

    assert response.status_code == 403
    assert "viewer for all clients" in response.text
    assert 'href="/nodes"' not in browser.get("/account").text


def test_a_part_is_rendered_alone(node, signed_in):
    browser = signed_in(Role.VIEWER)

    part = browser.parts("/nodes", "part_nodes")
    both = browser.parts("/nodes", "part_banners part_nodes")

    assert part.text.strip().startswith('<section id="part_nodes"')
    assert "<html" not in part.text
    assert both.text.index("part_banners") < both.text.index("part_nodes")


def test_a_part_that_is_named_again_and_again_is_drawn_once(node, signed_in):
    browser = signed_in(Role.VIEWER)

    once = browser.parts("/nodes", "part_banners part_nodes")
    often = browser.parts("/nodes", "part_banners part_nodes " + "part_nodes " * 30)

    assert often.status_code == 200
    assert often.text == once.text


@pytest.mark.parametrize("names", ["part_nothing", "main", "title", "part_nodes part_nothing", "", "../base"])
def test_there_are_no_other_parts(signed_in, names):
    response = signed_in(Role.VIEWER).parts("/nodes", names)

    assert (response.status_code, response.text) in ((404, ""), (200, ""))


def test_a_part_asked_for_by_a_stranger_is_a_401(stranger):
    assert stranger.parts("/nodes", "part_nodes").status_code == 401


def test_everybody_is_told_what_keeps_jobs_from_running(store, signed_in, daemon, acme, bolt, node, clock):
    browser = signed_in(Role.VIEWER, "acme")
    calm = browser.get("/account").text
    store.switches.set_autostart(False)
    told = browser.get("/account").text

    assert 'class="banner' not in calm
    assert "Jobs do not start automatically now; 2 jobs wait." in told


def test_that_the_server_does_not_run_is_said_unless_one_runs_elsewhere(make_app, add_user, make_node, daemon):
    daemon.state = "stopped"
    browser = Browser(make_app())
    browser.sign_in(add_user(Role.VIEWER))
    silent = browser.get("/account").text
    make_node("another")
    other = Browser(make_app())
    other.sign_in("anna")
    told = other.get("/account").text

    assert "The task server is not running" in silent
    assert "The task server is not running" not in told


def test_settings_are_kept_and_used_at_once(store, signed_in, clock):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")

    saved = browser.followed(
        browser.post(
            "/account/settings", {"language": "de", "time_zone": "Asia/Tokyo", "theme": "dark", "shortcuts": ""}
        )
    )
    again = browser.get("/account")

    assert "Ihre Einstellungen sind gespeichert." in saved.text
    assert '<html lang="de" data-theme="dark">' in saved.text
    assert "Zeiten gelten für Asia/Tokyo." in saved.text
    assert "22.11.2026 17:00" in saved.text
    assert "gespeichert" not in again.text
    assert store.users.get("anna")["shortcuts"] is False
    assert 'id="shortcuts"' not in again.text


def test_an_unknown_zone_is_refused_with_a_sentence(store, signed_in):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")

    page = browser.followed(browser.post("/account/settings", {"time_zone": "Mars/Olympus"}))

    assert "there is no time zone Mars/Olympus" in page.text
    assert store.users.get("anna")["time_zone"] is None


def test_a_password_is_changed_with_the_present_one(app, signed_in):
    browser = signed_in(Role.VIEWER)
    elsewhere = Browser(app)
    elsewhere.sign_in("anna")
    new = "battery staple"

    def change(present, again=new):
        browser.get("/account")
        return browser.followed(
            browser.post("/account/password", {"present": present, "new": new, "again": again})
        ).text

    assert "the present password is not right" in change("wrong")
    assert "the two new passwords are not the same" in change(PASSWORD, again="battery stable")
    assert "Your password is changed" in change(PASSWORD)
    assert elsewhere.get("/account").status_code == 303
    assert browser.get("/account").status_code == 200
    assert elsewhere.sign_in("anna", new).status_code == 303


def test_guessing_the_present_password_is_slowed_down(signed_in):
    browser = signed_in(Role.VIEWER)
    pages = []
    for _ in range(6):
        browser.get("/account")
        data = {"present": "wrong", "new": "battery staple", "again": "battery staple"}
        pages.append(browser.followed(browser.post("/account/password", data)).text)

    assert "too many attempts" in pages[-1]


def test_a_form_sent_in_place_is_told_where_to_go_on(signed_in):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")

    answer = browser.post("/account/settings", {"theme": "dark"}, headers={"X-Part": "part_flash"})
    quiet = browser.parts("/account", "part_banners")
    told = browser.parts("/account", "part_flash")

    assert (answer.status_code, answer.headers["x-location"]) == (204, "/account")
    assert "saved" not in quiet.text
    assert "Your settings are saved." in told.text


def test_whatever_somebody_is_called_is_shown_as_text(store, signed_in):
    name = '<script>alert("x")</script>'
    browser = signed_in(Role.VIEWER, name=name)

    page = browser.get("/account").text

    assert "&lt;script&gt;alert(" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("data", [{}, {"present": "x"}, {"present": "x", "new": "y" * 3000, "again": "y"}])
def test_a_form_with_something_missing_is_a_400_with_a_page(signed_in, data):
    browser = signed_in(Role.VIEWER)
    browser.get("/account")

    response = browser.post("/account/password", data)

    assert response.status_code == 400
    assert "is missing or is not what it must be" in response.text


def test_two_people_are_answered_in_their_own_languages_at_once(app, add_user):
    from concurrent.futures import ThreadPoolExecutor

    add_user(Role.VIEWER)
    browsers = {}
    for language in ("de", "en"):
        browsers[language] = Browser(app, headers={"Accept-Language": language})
        browsers[language].sign_in("anna")

    def look(number):
        language = ("de", "en")[number % 2]
        return language, browsers[language].http.get("/account").text

    with ThreadPoolExecutor(6) as pool:
        pages = list(pool.map(look, range(24)))

    for language, page in pages:
        assert f'<html lang="{language}">' in page
        assert ("Ihr Konto" in page) is (language == "de")
        assert ("Your account" in page) is (language == "en")


@pytest.mark.parametrize(
    ("setting", "header", "language"),
    [
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        (None, "fr,en;q=0.3,de;q=0.8", "de"),
        (None, "en;q=0.9,de;q=0.8", "en"),
        (None, "de;q=0,en;q=0.1", "en"),
        (None, "fr", "en"),
        (None, "de;q=x", "en"),
        (None, "*", "en"),
        (None, ",;=," * 1000, "en"),
        ("de", "en", "de"),
        ("en", "de", "en"),
        ("xx", "de", "de"),
    ],
)
def test_the_language_is_the_user_s_then_the_browser_s(setting, header, language):
    assert wanted_language(setting, header) == language


def test_times_are_shown_in_the_zone_in_use():
    from taskserver.texts import use_language

    instant = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
    moments.use_zone("Europe/Berlin")
    english = moments.local(instant)
    use_language("de")

    assert english == "2026-07-02 00:30:15"
    assert moments.local(instant, seconds=False) == "02.07.2026 00:30"
    assert moments.machine(instant) == "2026-07-01T22:30:15+00:00"
    for name in ("Mars/Olympus", "../etc/passwd", "", "\x00"):
        moments.use_zone(name)
        assert moments.zone_name() == "UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59, "59 s"),
        (125, "2 min 5 s"),
        (3 * 3600 + 59, "3 h 0 min"),
        (50 * 3600, "2 d 2 h"),
        (-3, "0.0 s"),
    ],
)
def test_spans_read_well(seconds, text):
    assert moments.span(None if seconds is None else timedelta(seconds=seconds)) == text
