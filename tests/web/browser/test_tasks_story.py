"""The task manager as people use it, in a real browser before a working server: in both languages, and without
scripts."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from waiting import eventually

from taskserver.config import Settings
from taskserver.server import Server
from taskserver.store import Role, Store
from taskserver.tasks import Context, Registry, task

pytestmark = [pytest.mark.only_on("sqlite"), pytest.mark.slow]

WORDS = {
    "en": {
        "tasks": "Tasks",
        "queue": "Queue",
        "start": "Start",
        "stop": "Stop",
        "up": "Move job {id} up",
        "finished": "finished",
        "failed": "failed",
        "stopped": "stopped",
        "running": "running",
        "waiting": "waiting",
        "delete finished": "Delete finished",
        "delete all": "Delete all",
        "really": "Delete 2 jobs?",
        "off": "Do not start automatically",
        "on": "Start automatically",
        "banner": "Jobs do not start automatically now; 1 job waits.",
        "why": "jobs do not start automatically now",
        "none": "There are no jobs.",
        "refresh": "Refresh",
    },
    "de": {
        "tasks": "Aufgaben",
        "queue": "Einreihen",
        "start": "Starten",
        "stop": "Anhalten",
        "up": "Aufgabe {id} nach oben",
        "finished": "fertig",
        "failed": "fehlgeschlagen",
        "stopped": "angehalten",
        "running": "läuft",
        "waiting": "wartet",
        "delete finished": "Fertige löschen",
        "delete all": "Alle löschen",
        "really": "2 Aufgaben löschen?",
        "off": "Nicht automatisch starten",
        "on": "Automatisch starten",
        "banner": "Aufgaben starten zurzeit nicht automatisch",
        "why": "Aufgaben starten zurzeit nicht automatisch",
        "none": "Es gibt keine Aufgaben.",
        "refresh": "Aktualisieren",
    },
}


class Work:
    """The tasks of the server: each step of `count` waits until the test lets it go on."""

    def __init__(self) -> None:
        steps = self._steps = threading.Semaphore(0)

        @task("count", title="count {name}")
        def count(ctx: Context, name: str) -> str:
            done = int((ctx.checkpoint_data or {}).get("done", 0))
            while done < 4:
                if steps.acquire(timeout=0.05):
                    done += 1
                    ctx.detail = f"step {done} of {name}"
                    ctx.checkpoint({"done": done})
                ctx.progress(done * 25)
            return f"{name} is counted"

        @task("print_it")
        def print_it() -> None:
            raise ValueError("the printer is on fire")

        self.registry = Registry([count.__task__, print_it.__task__])  # type: ignore[attr-defined]

    def let_go_on(self, steps: int) -> None:
        self._steps.release(steps)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """With the real time: there is a real server."""
    store = Store.open(database_url)
    yield store
    store.close()


@pytest.fixture
def work(database_url: str, store: Store, tmp_path: Path) -> Iterator[Work]:
    work = Work()
    settings = Settings.model_validate(
        {"users_dir": str(tmp_path / "daemon"), "database": database_url, "max_parallel": 1, "poll_interval": 0.2}
    )
    store.clients.set_login("default", "anna")
    server = Server(settings, lambda _: work.registry, logging.getLogger("taskserver"))
    server.start(lambda text: None)
    yield work
    server.abandon()
    assert server.wait(30)


class Person:
    """Looks at the page of jobs; where no script brings it up to date, by loading it again."""

    def __init__(self, page: Page, words: dict[str, str], *, scripts: bool, home: str) -> None:
        self.page = page
        self.words = words
        self._scripts = scripts
        self._home = home

    def open(self, path: str) -> None:
        self.page.goto(self._home + path)

    def sees(self, what: str, condition: Callable[[], Any]) -> Any:
        def look() -> Any:
            found = condition()
            if not found and not self._scripts:
                self.page.wait_for_timeout(200)  # as fast as somebody can press F5
                self.page.reload()
            return found

        return eventually(look, what=what, seconds=60)

    def queue(self, name: str) -> int:
        self.open("/tasks/new?task=count")
        self.page.fill("#a-name", name)
        self.page.click(f"form.queue button:text-is('{self.words['queue']}')")
        self.page.wait_for_url("**/jobs/*")
        return int(self.page.url.rsplit("/", 1)[1])

    def rows(self) -> list[int]:
        ids: list[str] = self.page.locator("#part_jobs tbody tr").evaluate_all("rows => rows.map(row => row.id)")
        return [int(each.removeprefix("job-")) for each in ids]

    def has_status(self, job: int, word: str) -> bool:
        shown = self.page.locator(f"#job-{job} .status")
        return shown.count() == 1 and shown.inner_text().strip().endswith(self.words[word])

    def press(self, job: int, verb: str) -> None:
        self.page.wait_for_timeout(700)  # nobody is as quick as a row moves, and presses on such are refused
        self.page.click(f"#job-{job}-{verb}")

    def does(self, word: str) -> None:
        self.page.click(f"#part_controls button:text-is('{self.words[word]}')")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])
def test_the_task_manager_is_used_from_the_first_job_to_the_last(
    make_window, address, add_user, store, work, language, scripts
):
    add_user(Role.ADMINISTRATOR, language=language)
    window = make_window(java_script_enabled=scripts)
    page = window.sign_in()
    person = Person(page, WORDS[language], scripts=scripts, home=address)
    page.set_default_timeout(60_000)

    # Three are queued; the first runs, and its progress moves.
    one, two, three = (person.queue(name) for name in ("one", "two", "three"))
    person.open("/")
    assert page.inner_text("h1") == person.words["tasks"]
    person.sees("the first running", lambda: person.has_status(one, "running"))
    assert person.rows() == [one, two, three]
    for done in (1, 2):
        work.let_go_on(1)
        bar = page.locator(f"#job-{one} progress[value='{done * 25}']")
        person.sees(f"progress {done * 25}", lambda bar=bar: bar.count() == 1)
    assert f"{50} %" in page.inner_text(f"#job-{one}")
    assert "step 2 of one" in page.inner_text(f"#job-{one}")

    # The last is moved up; the first is stopped, so that the moved one comes next.
    page.click(f"button[aria-label='{person.words['up'].format(id=three)}']")
    person.sees("three before two", lambda: person.rows() == [one, three, two])
    person.press(one, "stop")
    person.sees("the first stopped", lambda: person.has_status(one, "stopped"))
    person.sees("the third running", lambda: person.has_status(three, "running"))

    # Started again it comes before all that wait, and goes on where it was: six steps are left of both.
    person.press(one, "start")
    person.sees("the first waiting", lambda: person.has_status(one, "waiting"))
    assert person.rows() == [three, one, two]
    work.let_go_on(6)
    for job in (three, one):
        person.sees(f"job {job} finished", lambda job=job: person.has_status(job, "finished"))
    person.sees("the second running", lambda: person.has_status(two, "running"))
    assert store.jobs.get(two)["progress"] in (None, 0)

    # One that fails shows its cause at once, and its trace on its page.
    work.let_go_on(4)
    broken = store.jobs.enqueue("print_it").id
    person.sees("the failure", lambda: person.has_status(broken, "failed"))
    assert "the printer is on fire" in page.inner_text(f"#job-{broken}")
    page.click(f"#job-{broken} th a")
    trace = page.locator("#part_runs details pre")
    person.sees("the trace", lambda: trace.count() == 1 and trace.is_visible())
    assert re.search(r"in print_it\s.*ValueError: the printer is on fire", trace.inner_text(), re.DOTALL)

    # Finished ones are deleted.
    person.open("/tasks")
    person.sees("the second finished", lambda: person.has_status(two, "finished"))
    person.does("delete finished")
    person.sees("only the failed one", lambda: person.rows() == [broken])

    # While nothing starts automatically a banner says so on every page, and the job tells why it waits.
    person.does("off")
    held = person.queue("four")
    person.sees("the banner", lambda: person.words["banner"] in page.inner_text("#part_banners"))
    assert person.words["why"] in page.inner_text("#part_why")
    person.open("/tasks")
    person.does("on")
    person.sees("no banner", lambda: page.inner_text("#part_banners").strip() == "")
    person.sees("the held one running", lambda: person.has_status(held, "running"))

    # All are deleted: the page names how many, the running one is asked to stop and goes.
    page.click("#control-delete-all")
    assert person.words["really"] in page.inner_text("main")
    page.click(f"main button:text-is('{person.words['delete all']}')")
    person.sees("nothing", lambda: person.words["none"] in page.inner_text("#part_jobs"))
    assert store.jobs.find() == []


def test_selection_open_menu_and_focus_stay_while_the_page_changes(window, add_user, make_tenant, store, node):
    tenant = make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    waiting, later = tenant.jobs["waiting"], tenant.jobs["later"]
    page.check(f"#select-{waiting}")
    page.click(f"#job-{later}-menu summary")
    page.focus(f"#job-{later}-stop")

    store.jobs.enqueue("ocr", {"path": "new"}, client="acme", title="quite new", priority=9)

    window.until("document.getElementById('part_jobs').innerText.includes('quite new')")
    assert page.is_checked(f"#select-{waiting}")
    assert page.evaluate(f"document.getElementById('job-{later}-menu').open") is True
    assert page.evaluate("document.activeElement.id") == f"job-{later}-stop"


def test_after_an_action_the_focus_is_in_the_row(window, add_user, make_tenant, node):
    tenant = make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    waiting = tenant.jobs["waiting"]

    page.focus(f"#job-{waiting}-stop")
    page.keyboard.press("Enter")

    window.until(f"document.getElementById('part_flash').innerText.includes('{waiting}')")
    window.until(f"document.activeElement.id === 'job-{waiting}'")


PRESSES_AT_ONCE = """([gone, x, y]) => {
  window.pressed = new Promise((done) => new MutationObserver((_, watcher) => {
    if (document.getElementById(gone)) return;
    watcher.disconnect();
    const there = document.elementFromPoint(x, y);
    const press = { bubbles: true, cancelable: true, detail: 1, clientX: x, clientY: y };
    there.dispatchEvent(new MouseEvent("click", press));
    done(there.id);
  }).observe(document.getElementById("part_jobs"), { childList: true, subtree: true }));
}"""
"""Presses what stands at a place as soon as something else is gone: no hand is as quick."""


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_second_press_reaches_no_other_job_that_has_moved_there(window, add_user, make_tenant, node, store):
    tenant = make_tenant("acme")
    jobs = [store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id for _ in range(6)]
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    place = middle(page, f"#job-{jobs[0]}-stop")
    page.evaluate(PRESSES_AT_ONCE, [f"job-{jobs[0]}-stop", *place])

    page.mouse.click(*place)
    pressed = page.evaluate("window.pressed")
    page.wait_for_timeout(700)
    page.click(f"#job-{jobs[3]}-stop")  # later, and meant
    window.until(f"!document.getElementById('job-{jobs[3]}-stop')")

    assert pressed == f"job-{jobs[1]}-stop"
    stopped = {job["id"] for job in store.jobs.find(status="stopped")}
    assert stopped - {tenant.jobs["stopped"]} == {jobs[0], jobs[3]}


def test_a_press_reaches_no_job_that_has_come_there_by_itself(window, add_user, make_tenant, node, store):
    make_tenant("acme")
    jobs = [store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id for _ in range(6)]
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    place = middle(page, f"#job-{jobs[2]}-delete")
    page.mouse.move(place[0] - 300, place[1] - 100)
    page.evaluate(PRESSES_AT_ONCE, [f"job-{jobs[0]}", *place])

    store.jobs.delete(jobs[0])
    pressed = page.evaluate("window.pressed")

    assert pressed == f"job-{jobs[3]}-delete"
    assert {job["id"] for job in store.jobs.find(status="waiting")} >= set(jobs[1:])


def test_the_second_half_of_a_double_click_does_nothing(window, add_user, make_tenant, node, store):
    make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/cron-entries")

    gaps = page.evaluate(
        """() => new Promise((done) => {
          const sent = [];
          const real = window.fetch;
          window.fetch = (...given) => {
            if (given[1]?.method === "POST") sent.push(performance.now());
            if (sent.length === 3) {
              window.clearInterval(clicks);
              done([sent[1] - sent[0], sent[2] - sent[1]]);
            }
            return real(...given);
          };
          const press = () => document.querySelector('form[action*="/run"] button').click();
          const clicks = window.setInterval(press, 20);
        })"""
    )

    assert min(gaps) >= 500


def test_a_message_in_sight_closes_by_escape_and_gives_room_to_what_has_the_focus(
    window, add_user, make_tenant, node, store
):
    make_tenant("acme")
    jobs = [store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id for _ in range(3)]
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    room = "parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom)"

    page.focus(f"#job-{jobs[1]}-move-up")
    page.keyboard.press("Enter")
    window.until("document.querySelector('#part_flash .flash')")
    height = page.evaluate("document.getElementById('part_flash').getBoundingClientRect().height")
    while_open = page.evaluate(room)
    page.keyboard.press("Escape")

    assert while_open > height > 0
    assert page.locator("#part_flash .flash").count() == 0
    assert page.evaluate(room) == 0
    assert page.evaluate("document.activeElement.id") == f"job-{jobs[1]}-move-up"

    page.keyboard.press("Enter")
    window.until("document.querySelector('#part_flash .flash')")
    page.focus("#part_flash button")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == f"job-{jobs[1]}-move-up"


def test_what_was_done_is_told_in_sight_and_moves_nothing(window, add_user, make_tenant, node, store):
    make_tenant("acme")
    jobs = [store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id for _ in range(30)]
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    page.locator(f"#job-{jobs[25]}-stop").scroll_into_view_if_needed()
    before = page.evaluate("document.querySelector('h1').getBoundingClientRect().top")

    page.click(f"#job-{jobs[25]}-stop")

    window.until("document.querySelector('#part_flash .flash')")
    flash = page.locator("#part_flash .flash").bounding_box()
    assert page.evaluate("document.querySelector('h1').getBoundingClientRect().top") == before
    assert flash["y"] >= 0
    assert flash["y"] + flash["height"] <= page.viewport_size["height"]
    page.click("#part_flash button")
    assert page.locator("#part_flash .flash").count() == 0


def test_forms_outside_of_the_parts_get_the_token_of_a_new_login(window, add_user, make_tenant, node, store):
    make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    page.evaluate("for (const each of document.querySelectorAll('[name=csrf_token]')) each.value = 'earlier'")

    window.until("[...document.querySelectorAll('[name=csrf_token]')].every((each) => each.value !== 'earlier')")
    page.check("[data-select-all] input")
    page.click("#bulk button[value=stop]")

    window.until("document.getElementById('part_flash').innerText.includes('stopped')")
    page.click(".who button")
    window.until("location.pathname === '/login'")


def test_all_are_selected_and_deleted_at_once(window, add_user, make_tenant, node, store):
    tenant = make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks?status=waiting")

    page.check("[data-select-all] input")
    told = page.inner_text("[data-selected]")
    page.click("#bulk button[value=delete]")

    window.until("document.getElementById('part_flash').innerText.includes('2 jobs are deleted.')")
    assert told == "Selected: 2"
    assert store.jobs.get(tenant.jobs["running"])["status"] == "running"
    assert {job["status"] for job in store.jobs.find()} == {"running", "failed", "finished", "stopped"}


def test_a_menu_closes_with_escape_and_a_click_elsewhere(window, add_user, make_tenant, node):
    tenant = make_tenant("acme")
    add_user(Role.OPERATOR)
    window.sign_in()
    page = window.open("/tasks")
    menu = f"#job-{tenant.jobs['later']}-menu"
    is_open = f"document.querySelector('{menu}').open"

    page.click(f"{menu} summary")
    page.keyboard.press("Escape")
    after_escape = page.evaluate(is_open)
    focused = page.evaluate(f"document.activeElement === document.querySelector('{menu} summary')")
    page.click(f"{menu} summary")
    page.click("h1")

    assert (after_escape, focused, page.evaluate(is_open)) == (False, True, False)


def test_the_log_follows_its_end(window, add_user, make_tenant, node, store):
    from taskserver.jobs import OutputLine, Report
    from taskserver.store import Work as Turn

    tenant = make_tenant("acme")
    add_user(Role.OPERATOR)
    claim = node.claim(tenant.jobs["waiting"])

    def write(first: int, last: int) -> None:
        lines = [
            OutputLine(seq=n, at=claim.started_at, stream="stdout", text=f"line {n}") for n in range(first, last)
        ]
        node._turn(Turn(reports=[Report(run_id=claim.run_id, job_id=claim.job_id, lines=lines)]))

    write(1, 80)
    window.sign_in()
    page = window.open(f"/jobs/{claim.job_id}")
    write(80, 120)
    window.until("document.getElementById('log').innerText.includes('line 119')")
    at_end = "(e => e.scrollHeight - e.scrollTop - e.clientHeight < 8)(document.getElementById('log'))"

    assert window.until(at_end)
    page.evaluate("document.getElementById('log').scrollTop = 40")
    page.wait_for_function("document.getElementById('log').scrollTop === 40")
    write(120, 130)
    window.until("document.getElementById('log').innerText.includes('line 129')")
    assert page.evaluate("document.getElementById('log').scrollTop") == 40
