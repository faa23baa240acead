"""The page of jobs: what stands in it, for whom, and what its buttons do."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from browsing import Browser

from taskserver.store import Role
from taskserver.web.job_filters import JobFilters
from taskserver.web.kept import LOOKS_SECONDS

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages


def row(page: str, job_id: int) -> str:
    """The row of one job, with its markup."""
    found = re.search(rf'<tr id="job-{job_id}" .*?</tr>', page, re.DOTALL)
    assert found, f"no row of job {job_id}"
    return found[0]


def ids(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'<tr id="job-(\d+)"', page)]


def test_jobs_are_shown_with_client_progress_and_status(signed_in, acme):
    page = signed_in(Role.OPERATOR).get("/tasks").text

    running, failed = row(page, acme.jobs["running"]), row(page, acme.jobs["failed"])
    assert f"title {acme.mark}" in running
    assert "<small>acme · ocr ·" in running
    assert "<progress aria-label=" in running  # it says nothing of its progress: a striped bar
    assert f"output {acme.mark}" in running
    assert 'class="status running"' in running
    assert f"error {acme.mark}" in failed
    assert "<progress" not in failed
    assert 'value="100"' in row(page, acme.jobs["finished"])
    assert "100 %" in row(page, acme.jobs["finished"])


def test_jobs_stand_in_the_order_in_which_they_start(signed_in, acme, store):
    page = signed_in(Role.OPERATOR)

    assert ids(page.get("/tasks").text)[:3] == [acme.jobs["running"], acme.jobs["waiting"], acme.jobs["later"]]
    page.post(f"/jobs/{acme.jobs['later']}/move-up")
    assert ids(page.get("/tasks").text)[:3] == [acme.jobs["running"], acme.jobs["later"], acme.jobs["waiting"]]
    page.post(f"/jobs/{acme.jobs['later']}/move-down")
    assert ids(page.get("/tasks").text)[1] == acme.jobs["waiting"]


def test_the_buttons_are_those_that_can_do_something(signed_in, acme):
    page = signed_in(Role.OPERATOR).get("/tasks").text

    def verbs(kind):
        return set(re.findall(rf'action="/jobs/{acme.jobs[kind]}/([a-z-]+)"', row(page, acme.jobs[kind])))

    assert verbs("waiting") == {"start", "stop", "delete", "move-up", "move-down"}
    assert verbs("running") == {"stop", "kill", "delete"}
    for ended in ("failed", "finished", "stopped"):
        assert verbs(ended) == {"start", "delete"}
    assert f"/jobs/{acme.jobs['failed']}/again" in row(page, acme.jobs["failed"])


def test_a_job_that_waits_for_its_time_can_not_be_moved_in_the_list(signed_in, acme, store, clock):
    later = store.jobs.enqueue("ocr", {"path": "x"}, client="acme", run_at=clock() + timedelta(hours=1)).id

    assert "move-up" not in row(signed_in(Role.OPERATOR).get("/tasks").text, later)


def test_who_moves_a_job_that_stands_at_the_end_is_told_so(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    page = browser.followed(browser.post(f"/jobs/{acme.jobs['waiting']}/move-up")).text

    assert "has no other of its client to change places with" in page
    assert "is moved up" not in page


def test_a_viewer_sees_no_button_and_can_press_none(signed_in, acme, store):
    browser = signed_in(Role.VIEWER, "acme")
    page = browser.get("/tasks").text

    assert set(re.findall(r'<form method="post" action="([^"]+)"', page)) == {"/logout"}
    assert 'type="checkbox"' not in page
    for path in (
        f"/jobs/{acme.jobs['waiting']}/start",
        "/tasks/delete-finished",
        "/tasks/delete-all",
        "/tasks/autostart-off",
    ):
        browser.get("/tasks")
        assert browser.post(path).status_code == 403, path
    assert browser.get("/tasks/delete-all").status_code == 404
    assert browser.get("/tasks/new").status_code == 403
    assert store.jobs.get(acme.jobs["waiting"])["ready"] == 1


def test_an_operator_of_one_client_switches_no_auto_start(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR, "acme")

    assert "Do not start automatically" not in browser.get("/tasks").text
    assert browser.post("/tasks/autostart-off").status_code == 403
    assert store.switches.autostart() is True


def test_of_another_client_nothing_is_seen_or_touched(signed_in, acme, bolt, store):
    browser = signed_in(Role.OPERATOR, "acme")

    assert bolt.mark not in browser.get("/tasks").text
    assert bolt.mark not in browser.get("/tasks", params={"client": "bolt"}).text
    assert ids(browser.get("/tasks", params={"text": str(bolt.jobs["waiting"])}).text) == []
    for verb in ("start", "stop", "kill", "delete", "move-up", "move-down"):
        browser.get("/tasks")
        answer = browser.post(f"/jobs/{bolt.jobs['waiting']}/{verb}")
        there_is_none = browser.followed(answer).text
        assert f"there is no job {bolt.jobs['waiting']}" in there_is_none
    assert browser.get(f"/jobs/{bolt.jobs['waiting']}").status_code == 404
    assert browser.get(f"/jobs/{bolt.jobs['waiting']}/again").status_code == 404
    assert store.jobs.get(bolt.jobs["waiting"])["status"] == "waiting"


@pytest.mark.parametrize(
    ("verb", "kind", "status", "told"),
    [
        ("start", "failed", "waiting", "is started"),
        ("stop", "waiting", "stopped", "is asked to stop"),
        ("stop", "running", "stopping", "is asked to stop"),
        ("kill", "running", "stopping", "are killed"),
    ],
)
def test_a_button_acts_and_says_so(signed_in, acme, store, verb, kind, status, told):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    page = browser.followed(browser.post(f"/jobs/{acme.jobs[kind]}/{verb}", {"back": "status=failed"}))

    assert told in page.text
    assert page.url.query == b"status=failed"
    assert store.jobs.get(acme.jobs[kind])["status"] == status
    assert store.audit.find()[0]["action"] == f"job.{verb}"


def test_an_action_that_is_not_possible_says_why(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    page = browser.followed(browser.post(f"/jobs/{acme.jobs['finished']}/stop"))

    assert "can&#39;t be stopped now: it is finished" in page.text


def test_deleting_tells_whether_it_is_gone(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    gone = browser.followed(browser.post(f"/jobs/{acme.jobs['later']}/delete")).text
    going = browser.followed(browser.post(f"/jobs/{acme.jobs['running']}/delete")).text

    assert "is deleted." in gone
    assert "is asked to stop, and goes when it has ended" in going
    assert "it goes when it has ended" in row(going, acme.jobs["running"])


def test_many_are_changed_at_once_and_one_that_can_not_keeps_none_back(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")
    wanted = [acme.jobs["waiting"], acme.jobs["later"], acme.jobs["finished"], 9_999_999]

    page = browser.followed(browser.post("/tasks/bulk", {"verb": "stop", "job": wanted})).text

    assert "2 jobs are stopped." in page
    assert "can&#39;t be stopped now" in page
    assert "there is no job 9999999" in page
    assert {store.jobs.get(each)["status"] for each in wanted[:2]} == {"stopped"}


def test_nothing_selected_is_said_and_an_unknown_verb_refused(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    assert browser.post("/tasks/bulk", {"verb": "explode", "job": [acme.jobs["later"]]}).status_code == 404
    assert "Select jobs first." in browser.followed(browser.post("/tasks/bulk", {"verb": "start"})).text


def test_finished_ones_are_deleted_of_one_client_or_of_all(signed_in, acme, bolt, store):
    browser = signed_in(Role.OPERATOR)
    one = browser.get("/tasks", params={"client": "acme"}).text
    told = browser.followed(browser.post("/tasks/delete-finished", {"client": "acme"})).text

    assert "Delete finished of acme" in one
    assert "1 job is deleted." in told
    assert store.jobs.get(acme.jobs["finished"])["gone"] is True
    assert store.jobs.get(bolt.jobs["finished"])["gone"] is False
    assert store.jobs.get(acme.jobs["failed"])["gone"] is False


def test_delete_all_asks_on_a_page_of_its_own_and_names_the_count(signed_in, acme, bolt, store):
    browser = signed_in(Role.OPERATOR, "acme")

    question = browser.get("/tasks/delete-all").text
    told = browser.followed(browser.post("/tasks/delete-all")).text

    assert "Delete 6 jobs?" in question
    assert "1 of them runs; it is asked to stop" in question
    assert "6 jobs are deleted; those that run are asked to stop and go when they have ended." in told
    assert ids(told) == [acme.jobs["running"]]
    assert store.jobs.get(acme.jobs["running"])["status"] == "stopping"
    assert store.entries.get(acme.entry)["name"] == f"entry {acme.mark}"
    assert store.jobs.get(bolt.jobs["waiting"])["status"] == "waiting"


def test_what_one_only_views_is_not_counted_as_what_would_be_deleted(signed_in, acme, bolt, store):
    browser = signed_in(Role.OPERATOR, "acme")
    store.users.set_role("anna", Role.VIEWER, client="bolt")

    assert "Delete 6 jobs?" in browser.get("/tasks/delete-all").text
    assert "no jobs to delete" in browser.get("/tasks/delete-all", params={"client": "bolt"}).text


def test_auto_start_is_switched_by_two_actions_and_a_banner_tells(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")

    off = browser.followed(browser.post("/tasks/autostart-off")).text
    still_off = browser.followed(browser.post("/tasks/autostart-off")).text
    on = browser.followed(browser.post("/tasks/autostart-on")).text

    assert "Jobs do not start automatically now; 2 jobs wait." in off
    assert 'action="/tasks/autostart-on"' in still_off
    assert "Jobs do not start automatically now" not in on
    assert store.switches.autostart() is True


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"status": "failed"}, {"failed"}),
        ({"status": "nonsense"}, set()),
        ({"task": "nothing"}, set()),
        ({"text": "ERROR"}, {"failed"}),
        ({"text": "output", "status": "running"}, {"running"}),
        ({"client": "acme", "task": "ocr", "status": "stopped"}, {"stopped"}),
        ({"client": "bolt"}, set()),
    ],
)
def test_filters_narrow_the_list(signed_in, acme, query, kinds):
    page = signed_in(Role.VIEWER).get("/tasks", params=query)

    assert set(ids(page.text)) == {acme.jobs[kind] for kind in kinds}


def test_pages_go_on_both_ways_and_keep_the_filters(signed_in, acme, store):
    with store.together():
        for number in range(120):
            store.jobs.enqueue("ocr", {"path": str(number)}, client="acme")
    browser = signed_in(Role.VIEWER)

    def follow(page, rel):
        link = re.search(rf'<a rel="{rel}" href="([^"]+)"', page)
        return browser.get(link[1].replace("&amp;", "&")).text if link else None

    first = browser.get("/tasks", params={"status": "waiting", "client": "acme"}).text
    second = follow(first, "next")
    third = follow(second, "next")

    assert [len(ids(page)) for page in (first, second, third)] == [50, 50, 22]
    assert len({*ids(first), *ids(second), *ids(third)}) == 122
    assert follow(third, "next") is None
    assert ids(follow(third, "prev")) == ids(second)
    assert (
        'value="status=waiting&amp;client=acme&amp;after='
        in signed_in(Role.OPERATOR, name="o")
        .get("/tasks", params={"status": "waiting", "client": "acme", "after": _after(first)})
        .text
    )


def _after(page: str) -> str:
    return re.search(r"after=([^\"&]+)", page)[1]


def test_a_forged_place_is_refused_with_a_sentence(signed_in, acme):
    answer = signed_in(Role.VIEWER).get("/tasks", params={"after": "x" * 20})

    assert answer.status_code == 400
    assert "begin again with the first page" in answer.text


def test_counts_stand_beside_each_status_and_are_capped(signed_in, acme, store, monkeypatch):
    monkeypatch.setattr("taskserver.store.overview.COUNTED", 1)
    monkeypatch.setattr("taskserver.web.pages.tasks.COUNTED", 1)
    monkeypatch.setattr("taskserver.web.status.COUNTED", 1)
    store.switches.set_autostart(False)

    page = signed_in(Role.VIEWER).get("/tasks").text

    assert re.search(r'waiting <span class="count">1\+</span>', page)
    assert re.search(r'stopping <span class="count">0</span>', page)
    assert "1+ waiting" in page
    assert "more than 1 jobs wait" in page


def test_the_time_left_is_told_by_progress_or_by_earlier_runs(signed_in, acme, store, node, clock):
    from taskserver.jobs import Outcome, Report
    from taskserver.store import Work

    slow = store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id
    claim = node.claim(slow)
    clock.advance(minutes=10)
    node.end(claim, Outcome.finished())
    other = node.claim(store.jobs.enqueue("ocr", {"path": "y"}, client="acme").id)
    clock.advance(seconds=30)
    node._turn(Work(reports=[Report(run_id=other.run_id, job_id=other.job_id, progress=25)]))

    page = signed_in(Role.VIEWER).get("/tasks").text

    assert "about 1 min 30 s left" in row(page, other.job_id)
    assert 'value="25"' in row(page, other.job_id)


def test_a_waiting_job_says_what_it_waits_for(signed_in, acme, store, clock):
    later = store.jobs.enqueue("ocr", {"path": "x"}, client="acme", run_at=clock.now + timedelta(hours=1)).id
    idle = store.jobs.enqueue("ocr", {"path": "x"}, client="acme", active=False).id
    store.jobs.start(acme.jobs["later"])

    page = signed_in(Role.VIEWER).get("/tasks").text

    assert re.search(r"starts 20\d\d-", row(page, later))
    assert "not active" in row(page, idle)
    assert "started by hand, comes first" in row(page, acme.jobs["later"])


def test_a_job_of_a_client_without_a_login_says_so(signed_in, acme, store):
    store.clients.set_login("acme", None)

    page = signed_in(Role.VIEWER).get("/tasks").text

    assert "its client has no login" in row(page, acme.jobs["waiting"])


def test_who_changes_something_sees_it_counted_at_once(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    before = browser.get("/tasks").text
    browser.post(f"/jobs/{acme.jobs['waiting']}/stop")

    after = browser.get("/tasks").text

    assert 'stopped <span class="count">1</span>' in before
    assert 'stopped <span class="count">2</span>' in after


def test_parts_are_rendered_alone(signed_in, acme):
    browser = signed_in(Role.OPERATOR)

    part = browser.parts("/tasks?status=failed", "part_controls part_counts part_jobs")

    assert ids(part.text) == [acme.jobs["failed"]]
    assert "<html" not in part.text
    assert "data-live" in part.text


def test_what_is_drawn_once_for_many_holds_nothing_of_one_s_own_and_follows_rights(
    signed_in, acme, bolt, store, clock
):
    store.jobs.enqueue("ocr", {"path": "x"}, run_at=clock() + timedelta(hours=1))
    one, two = signed_in(Role.OPERATOR, name="one"), signed_in(Role.OPERATOR, name="two")
    german = signed_in(Role.OPERATOR, name="german", language="de")
    far = signed_in(Role.OPERATOR, name="far", time_zone="Asia/Tokyo")
    viewer = signed_in(Role.VIEWER, name="viewer")
    of_acme = signed_in(Role.OPERATOR, "acme", name="of acme")

    def drawn(browser):
        return browser.parts("/tasks", "part_jobs").text

    first = drawn(one)

    assert drawn(two) == first
    assert "csrf_token" not in first
    assert ">Starten</button>" in drawn(german)
    assert drawn(far) != first
    assert "<button" not in drawn(viewer)
    assert bolt.mark in first
    assert bolt.mark not in drawn(of_acme)
    assert drawn(one) == first


def test_what_is_brought_up_to_date_may_be_a_second_late_what_is_loaded_never(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    stopped = f'job-{acme.jobs["waiting"]}-stop"'
    seen = [stopped in browser.parts("/tasks", "part_jobs").text]
    store.jobs.stop(acme.jobs["waiting"])
    seen += [stopped in browser.get("/tasks").text, stopped in browser.parts("/tasks", "part_jobs").text]
    store.jobs.start(acme.jobs["waiting"])
    time.sleep(LOOKS_SECONDS)
    seen += [stopped in browser.parts("/tasks", "part_jobs").text]

    assert seen == [True, False, False, True]


def test_who_changes_something_sees_it_in_the_part_at_once(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks")
    browser.parts("/tasks", "part_jobs")

    browser.post(f"/jobs/{acme.jobs['waiting']}/stop")

    part = browser.parts("/tasks", "part_jobs").text
    assert 'class="status stopped"' in row(part, acme.jobs["waiting"])


def test_home_and_navigation_lead_here_unless_the_settings_hide_it(make_app, add_user, acme):
    shown, hidden = Browser(make_app()), Browser(make_app(show_task_manager=False))
    add_user(Role.VIEWER)
    for browser in (shown, hidden):
        browser.sign_in("anna")

    assert shown.get("/").headers["location"] == "/tasks"
    assert 'href="/tasks" data-key="t"' in shown.get("/tasks").text
    assert hidden.get("/").headers["location"] != "/tasks"
    assert 'href="/tasks" data-key="t"' not in hidden.get("/tasks").text
    assert hidden.get("/tasks").status_code == 200


def test_the_page_speaks_german(app, add_user, acme):
    add_user(Role.OPERATOR, language="de")
    browser = Browser(app)
    browser.sign_in("anna")

    page = browser.get("/tasks").text

    for word in (
        "<h1>Aufgaben</h1>",
        "Aktualisieren",
        "Fertige löschen",
        "Alle löschen",
        "Nicht automatisch starten",
        ">Starten</button>",
        ">Anhalten</button>",
        ">Löschen</button>",
        "fehlgeschlagen",
    ):
        assert word in page, word


def test_who_has_no_role_sees_an_empty_list(signed_in, acme):
    page = signed_in(None).get("/tasks")

    assert page.status_code == 200
    assert acme.mark not in page.text
    assert "There are no jobs." in page.text


@pytest.mark.parametrize(
    "query", ["", "x=1", "status=%00", "&&==", "text=" + "a" * 5000, "after=%FF", "a=1&" * 49]
)
def test_what_leads_back_is_read_whatever_it_is(query):
    read = JobFilters.read(query)

    assert len(read.write()) < 1000
    assert set(read.query()) <= {"text", "status", "client", "task", "after", "before"}
