"""The page of one job, and the pages on which jobs are queued."""

from __future__ import annotations

import re

import pytest
from browsing import Browser

from taskserver.jobs import Outcome
from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")  # what differs between databases is tested below the pages


def test_a_failed_job_shows_its_cause_traceback_log_and_data(signed_in, acme):
    page = signed_in(Role.OPERATOR).get(f"/jobs/{acme.jobs['failed']}").text

    assert f"it failed: error {acme.mark}" in page
    assert f"traceback {acme.mark}</pre>" in page
    assert f"output {acme.mark}\n</span>" in page
    assert f"/scans/{acme.mark}" in page
    assert f"password-{acme.mark}" not in page
    assert "&#34;password&#34;: &#34;***&#34;" in page
    assert "Try again" in page
    assert 'aria-current="page">Tasks</a>' in page


def test_a_waiting_job_tells_why_it_does_not_run(signed_in, acme, store):
    store.switches.set_autostart(False)

    page = signed_in(Role.VIEWER).get(f"/jobs/{acme.jobs['later']}").text

    assert "Why is it not running?" in page
    assert "jobs do not start automatically now; start it by hand, or let jobs start automatically" in page
    assert "autostart on" not in page
    assert "1 job of its client stands before it" in page
    assert "It has not run yet." in page
    assert 'action="/jobs/' not in page


def test_a_running_job_stands_at_the_top_of_its_timeline(signed_in, acme, store, node):
    again = node.claim(_started(store, acme.jobs["failed"]))
    page = signed_in(Role.OPERATOR).get(f"/jobs/{acme.jobs['failed']}").text

    runs = re.findall(r'<li id="run-(\d+)" class="(\w+)"', page)
    assert runs == [(str(again.run_id), "running"), (str(acme.runs["failed"]), "failed")]
    assert f"Log of run {again.run_id}" in page
    assert "It has written nothing." in page


def test_the_log_of_an_earlier_run_can_be_chosen(signed_in, acme, store, node):
    node.claim(_started(store, acme.jobs["failed"]))
    browser = signed_in(Role.VIEWER)

    page = browser.get(f"/jobs/{acme.jobs['failed']}", params={"run": acme.runs["failed"]}).text

    assert f"Log of run {acme.runs['failed']}</h2>" in page
    assert f"output {acme.mark}\n</span>" in page
    assert "Show the latest run" in page


def test_no_run_of_another_job_is_shown_by_its_number(signed_in, acme, bolt):
    browser = signed_in(Role.VIEWER, "acme")

    page = browser.get(f"/jobs/{acme.jobs['failed']}", params={"run": bolt.runs["failed"]}).text

    assert bolt.mark not in page
    assert "It has written nothing." in page


def test_only_the_end_of_a_long_log_is_shown(signed_in, acme, node, store, monkeypatch):
    from taskserver.jobs import OutputLine, Report
    from taskserver.store import Work

    monkeypatch.setattr("taskserver.web.pages.jobs.LINES", 3)
    claim = node.claim(acme.jobs["waiting"])
    lines = [OutputLine(seq=n, at=claim.started_at, stream="stdout", text=f"line {n}") for n in range(1, 8)]
    node._turn(Work(reports=[Report(run_id=claim.run_id, job_id=claim.job_id, lines=lines)]))

    page = signed_in(Role.VIEWER).get(f"/jobs/{claim.job_id}").text

    assert re.findall(r"line (\d)\n</span>", page) == ["5", "6", "7"]
    assert "Only the last 3 lines are shown." in page


def test_of_a_job_that_is_gone_the_last_run_is_told(signed_in, acme):
    page = signed_in(Role.OPERATOR).get(f"/jobs/{acme.jobs['gone']}").text

    assert "It was removed" in page
    assert f"result {acme.mark}" in page
    assert f'/jobs/{acme.jobs["gone"]}/again"' in page
    assert f'action="/jobs/{acme.jobs["gone"]}/' not in page


def test_an_unknown_job_is_a_page_that_says_so(signed_in, acme):
    browser = signed_in(Role.OPERATOR)

    assert "there is no job 9999999" in browser.get("/jobs/9999999").text
    assert browser.get("/jobs/9999999/again").status_code == 404


@pytest.mark.parametrize("address", ["/jobs/x", "/jobs/-1", f"/jobs/{10**19}", "/history/1e3", "/users/x"])
def test_what_can_be_no_number_is_no_address(signed_in, address):
    answer = signed_in(Role.ADMINISTRATOR).get(address)

    assert answer.status_code == 404
    assert "<h1>" in answer.text


def test_the_buttons_of_the_page_lead_back_to_it(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    browser.get(f"/jobs/{acme.jobs['failed']}")

    started = browser.post(f"/jobs/{acme.jobs['failed']}/start", {"where": "job"})
    browser.get(f"/jobs/{acme.jobs['failed']}")
    deleted = browser.post(f"/jobs/{acme.jobs['failed']}/delete", {"where": "job"})

    assert started.headers["location"] == f"/jobs/{acme.jobs['failed']}"
    assert deleted.headers["location"] == "/tasks"


def test_what_a_job_says_is_shown_as_text(signed_in, acme, store, node):
    attack = "<script>alert(1)</script>"
    job = store.jobs.enqueue("ocr", {"path": attack}, client="acme", title=attack).id
    claim = node.claim(job)
    node.report(claim, attack)
    node.end(claim, Outcome.failed(attack, traceback=attack))
    browser = signed_in(Role.OPERATOR)

    for path in ("/tasks", f"/jobs/{job}", f"/jobs/{job}/again"):
        assert "<script>alert" not in browser.get(path).text


# --- queuing


def test_a_task_is_chosen_then_its_form_is_filled_in(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)

    choice = browser.get("/tasks/new").text
    form = browser.get("/tasks/new", params={"task": "ocr"}).text
    typed = {"task": "ocr", "a.path": "/scans/1", "a.password": "s3cret", "client": "acme"}
    more = {"title": "By hand", "priority": "7", "at": "2030-01-02T03:04"}
    page = browser.followed(browser.post("/tasks/new", {**typed, **more}))

    assert 'href="/tasks/new?task=ocr"' in choice
    assert re.search(r'<input id="a-path" name="a.path" value="" autocomplete="off" aria-required="true"', form)
    assert re.search(r'<input id="a-password" name="a.password" type="password" value=""', form)
    job = store.jobs.get(int(re.search(r"/jobs/(\d+)", str(page.url))[1]))
    assert job["data"] == {"path": "/scans/1", "password": "s3cret"}
    assert (job["title"], job["priority"], job["client"]) == ("By hand", 7, "acme")
    assert job["next_run_at"].isoformat() == "2030-01-02T02:04:00+00:00"  # the reader's zone is Europe/Berlin
    assert job["created_by"] == "user:anna" or "anna" in job["created_by"]
    assert "s3cret" not in page.text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"a.path": ""}, "path"),
        ({"a.path": "x", "priority": "high"}, "Priority must be a whole number"),
        ({"a.path": "x", "priority": str(2**40)}, "Priority must be a whole number"),
        ({"a.path": "x", "at": "tomorrow"}, "tomorrow is no time"),
        ({"a.path": "x", "at": "9999-12-31T23:59-14:00"}, "is no time"),
    ],
)
def test_what_is_typed_wrong_stays_in_the_form_with_a_sentence(signed_in, acme, store, typed, sentence):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks/new", params={"task": "ocr"})
    before = sum(store.jobs.counts().values())

    answer = browser.post("/tasks/new", {"task": "ocr", "client": "acme", "title": "Kept", **typed})

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="Kept"' in answer.text
    assert sum(store.jobs.counts().values()) == before


def test_a_missing_argument_is_named_at_its_field(signed_in, acme):
    browser = signed_in(Role.OPERATOR)
    browser.get("/tasks/new", params={"task": "ocr"})

    page = browser.post("/tasks/new", {"task": "ocr", "client": "acme"}).text

    assert 'name="a.path" value="" autocomplete="off" aria-describedby="a-path-fault" aria-invalid="true"' in page
    assert 'id="a-path-fault"' in page


def test_only_published_tasks_and_own_clients_can_be_queued(signed_in, acme, bolt, store):
    browser = signed_in(Role.OPERATOR, "acme")
    form = browser.get("/tasks/new", params={"task": "ocr"}).text
    typed = {"a.path": "x"}

    assert "bolt" not in form
    assert browser.get("/tasks/new", params={"task": "rm"}).status_code == 404
    assert browser.post("/tasks/new", {**typed, "task": "rm", "client": "acme"}).status_code == 404
    assert browser.post("/tasks/new", {**typed, "task": "ocr", "client": "bolt"}).status_code == 404
    assert browser.post("/tasks/new", {**typed, "task": "ocr", "client": "nobody"}).status_code == 404


def test_a_job_is_queued_again_with_changes_and_its_secrets(signed_in, acme, store):
    browser = signed_in(Role.OPERATOR)
    form = browser.get(f"/jobs/{acme.jobs['failed']}/again").text
    typed = {"a.path": "/scans/other", "a.password": "***", "title": "", "priority": "0"}

    page = browser.followed(browser.post(f"/jobs/{acme.jobs['failed']}/again", typed))

    assert f'value="/scans/{acme.mark}"' in form
    assert f'value="title {acme.mark}"' in form
    assert f"password-{acme.mark}" not in form
    assert "Left as it is, the secret stays." in form
    job = store.jobs.get(int(re.search(r"/jobs/(\d+)", str(page.url))[1]))
    assert job["data"] == {"path": "/scans/other", "password": f"password-{acme.mark}"}
    assert job["client"] == "acme"
    assert store.jobs.get(acme.jobs["failed"])["status"] == "failed"


def test_a_viewer_queues_nothing_again(signed_in, acme):
    browser = signed_in(Role.VIEWER, "acme")

    assert browser.get(f"/jobs/{acme.jobs['failed']}/again").status_code == 403
    browser.get("/tasks")
    assert browser.post(f"/jobs/{acme.jobs['failed']}/again", {"a.path": "x"}).status_code == 403


def test_the_sample_is_offered_where_the_settings_show_it(make_app, add_user, acme, store, node):
    _publish_sample(store)
    shows, hides = Browser(make_app(show_sample_task=True)), Browser(make_app())
    add_user(Role.OPERATOR)
    for browser in (shows, hides):
        browser.sign_in("anna")

    assert "Queue the sample" in shows.get("/tasks").text
    told = shows.followed(shows.post("/tasks/sample", {"back": "client=acme"})).text
    assert "Queue the sample" not in hides.get("/tasks").text
    assert hides.post("/tasks/sample").status_code == 404
    assert hides.get("/tasks/new", params={"task": "sample"}).status_code == 404
    assert "sample" not in re.findall(r"/tasks/new\?task=(\w+)", hides.get("/tasks/new").text)
    assert "The sample is queued." in told
    queued = store.jobs.find(task="sample")
    assert [job["client"] for job in queued] == ["acme"]


def _publish_sample(store):
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from taskserver.store import NodeIdentity

    dispatch = store.dispatch(ZoneInfo("UTC"))
    dispatch.close()
    identity = NodeIdentity(
        node_id="there",
        boot_id="boot of there",
        pid=2,
        version="0",
        slots=1,
        lease=timedelta(seconds=60),
        control_socket=None,
        only_own_jobs=False,
    )
    schema = {"type": "object", "properties": {"seconds": {"type": "number", "default": 10}}}
    offered = {
        **dict.fromkeys(("max_parallel", "timeout")),
        **{"name": "sample", "title": "Sample", "description": "", "schema": schema, "kind": "python"},
        **{"max_attempts": 1, "max_crashes": 3, "on_crash": "requeue"},
    }
    store.nodes.register(identity, [offered])


def _started(store, job_id):
    store.jobs.start(job_id)
    return job_id
