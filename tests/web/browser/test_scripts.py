"""What the scripts of a page do, in a real browser: parts change in place, and what is the reader's own stays."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]


def rows(*names: str, extra: str = "") -> str:
    body = "".join(
        f'<tr id="r-{name}"><td><input type="checkbox" id="c-{name}"> {name}{extra}</td></tr>' for name in names
    )
    return f'<section id="part_x" tabindex="-1"><table><tbody>{body}</tbody></table></section>'


@pytest.fixture
def morphed(window):
    """Changes one piece of a page into another, after `prepare` has been done to it; the result."""
    page = window.open("/login")

    def change(present, wanted, prepare=None):
        page.evaluate(
            "(html) => { document.getElementById('main').innerHTML = html; }",
            present,
        )
        if prepare:
            prepare(page)
        return page.evaluate(
            """async (wanted) => {
              const source = document.querySelector("script[type=module]").src.replace("app.js", "morph.js");
              const { morph } = await import(source);
              const place = document.getElementById("main").firstElementChild;
              morph(place, new DOMParser().parseFromString(wanted, "text/html").body.firstElementChild);
              return place.outerHTML;
            }""",
            wanted,
        )

    change.page = page
    return change


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (rows("a", "b", "c"), rows("c", "a", "d")),
        (rows(), rows("a")),
        (rows("a"), rows()),
        (rows("a", "b"), rows("a", "b", extra=" new")),
        ("<div><p>one</p><p class='x'>two</p>text</div>", "<div>text<p>one</p><ul><li>three</li></ul></div>"),
        ("<div title='x' class='y'>a</div>", "<div class='z' lang='de'>b</div>"),
        ("<div><details id='d'><summary>s</summary>a</details></div>", "<div><p id='d'>no details now</p></div>"),
    ],
)
def test_the_result_is_what_was_wanted(morphed, present, wanted):
    result = morphed(present, wanted)

    assert result.replace('"', "'") == wanted.replace('"', "'")


def test_ticks_open_details_and_typed_words_stay(morphed):
    extra = "<details><summary>s</summary>old</details><input value='old'>"
    present, wanted = rows("a", extra=extra), rows("b", "a", extra=extra.replace("old", "new"))

    def prepare(page):
        page.check("#c-a")
        page.click("#r-a summary")
        page.fill("#r-a input:not([type])", "typed")

    morphed(present, wanted, prepare)

    page = morphed.page
    assert page.is_checked("#c-a")
    assert not page.is_checked("#c-b")
    assert page.evaluate("document.querySelector('#r-a details').open") is True
    assert page.evaluate("document.querySelector('#r-a input:not([type])').value") == "typed"


def test_the_focus_and_the_caret_stay_where_they_are(morphed):
    present = '<section tabindex="-1"><p id="p">x</p><input id="i" value="hello"></section>'
    wanted = '<section tabindex="-1"><input id="i" value="hello"><p id="p">y</p></section>'

    def prepare(page):
        page.focus("#i")
        page.evaluate("document.getElementById('i').setSelectionRange(1, 3)")

    morphed(present, wanted, prepare)

    where = (
        "[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    )
    assert morphed.page.evaluate(where) == ["i", 1, 3]


def test_when_what_had_the_focus_is_gone_the_part_has_it(morphed):
    morphed(rows("a", "b"), rows("b"), lambda page: page.focus("#c-a"))

    assert morphed.page.evaluate("document.activeElement.id") == "part_x"


def test_selected_words_stay_selected(morphed):
    present = "<div><p id='p'>keep these words</p><p id='q'>1</p></div>"

    def prepare(page):
        page.evaluate("getSelection().selectAllChildren(document.getElementById('p'))")

    morphed(present, present.replace(">1<", ">2<"), prepare)

    assert morphed.page.evaluate("getSelection().toString()") == "keep these words"


def test_a_page_brings_itself_up_to_date(window, add_user, store, node, daemon):
    add_user(Role.ADMINISTRATOR)
    window.sign_in()
    page = window.open("/nodes")
    page.click("details summary")

    store.switches.set_autostart(False)
    daemon.state = "stopped"

    window.until("document.querySelectorAll('#part_banners .banner').length === 2")
    assert page.evaluate("document.querySelector('details').open") is True
    assert "do not start automatically" in page.inner_text("#part_banners")


def test_who_is_signed_out_meanwhile_comes_to_the_login(window, add_user, store, node):
    add_user(Role.ADMINISTRATOR)
    add_user(Role.ADMINISTRATOR, name="bert")
    window.sign_in()
    window.open("/nodes")

    store.users.edit("anna", active=False)

    window.until("location.pathname === '/login'")


def test_a_form_is_sent_in_place_and_says_what_was_done(make_window, add_user):
    add_user(Role.VIEWER)
    make_window().sign_in()
    window = make_window()
    window.sign_in()
    page = window.open("/account")
    page.evaluate("window.stayed = true")

    page.click("text=Sign out everywhere else")

    window.until("document.getElementById('part_flash').innerText.includes('1 other session is ended.')")
    assert page.evaluate("window.stayed") is True


def test_an_action_that_is_refused_says_so_in_place(window, add_user, store):
    add_user(Role.VIEWER)
    store.sessions.begin("another", store.users.get("anna")["id"], lifetime=_hour(), source="elsewhere")
    window.sign_in()
    page = window.open("/account")

    page.evaluate(  # in one breath: the next refresh would put the right one there
        """() => {
          const form = document.querySelector("form[data-inplace]");
          form.elements.csrf_token.value = "forged";
          form.querySelector("button").click();
        }"""
    )

    window.until("document.getElementById('part_flash').innerText.includes('no longer valid')")
    window.complaints.clear()  # the browser itself notes the 403


def _hour():
    from datetime import timedelta

    return timedelta(hours=1)


def test_keys_lead_to_pages_and_through_rows(window, add_user, make_tenant, node, store):
    add_user(Role.ADMINISTRATOR)
    window.sign_in()
    page = window.open("/account")

    page.keyboard.press("?")
    shown = page.evaluate("document.getElementById('shortcuts').open")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("n")
    window.until("location.pathname === '/nodes'")
    page.wait_for_load_state()  # the scripts of the new page listen now
    page.keyboard.press("j")

    assert shown is True
    window.until("document.activeElement.id.startsWith('node-')")


def test_keys_do_nothing_while_somebody_types_or_when_switched_off(window, add_user, store):
    add_user(Role.ADMINISTRATOR)
    window.sign_in()
    page = window.open("/account")
    page.focus("#time_zone")
    page.keyboard.type("gn?x")
    typed = page.input_value("#time_zone")
    opened = page.evaluate("document.getElementById('shortcuts').open")

    store.users.edit("anna", shortcuts=False)
    page = window.open("/account")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_timeout(300)

    assert (typed, opened) == ("gn?x", False)
    assert page.url.endswith("/account")
    assert page.query_selector("#shortcuts") is None


def test_everything_works_without_scripts(make_window, add_user, store):
    add_user(Role.ADMINISTRATOR)
    window = make_window(java_script_enabled=False)
    page = window.sign_in()

    window.open("/account")
    page.select_option("#language", "de")
    page.check("input[name=theme][value=dark]")
    page.click("text=Save")

    assert page.get_attribute("html", "lang") == "de"
    assert page.get_attribute("html", "data-theme") == "dark"
    assert store.users.get("anna")["language"] == "de"


def test_a_form_works_in_a_browser_that_hides_the_origin(window, add_user):
    """Under the policy no-referrer a browser sends `Origin: null` with every form."""
    add_user(Role.VIEWER)
    origins = []
    window.page.on(
        "request", lambda request: origins.append((request.method, request.all_headers().get("origin")))
    )

    window.sign_in()

    assert window.page.url.endswith("/tasks")
    assert ("POST", "null") in origins
