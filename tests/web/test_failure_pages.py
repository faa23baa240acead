"""The page of failures: groups, one group with its runs, and its jobs started again where that is allowed."""

from __future__ import annotations

import pytest

from taskserver.jobs import Outcome
from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def fail(store, node, acme, bolt):
    """Fails one more job of a client; the ids of job and run."""

    def make(error, client="acme"):
        job = store.jobs.enqueue("ocr", {"path": "/x"}, client=client).id
        claim = node.claim(job)
        node.end(claim, Outcome.failed(error))
        return job, claim.run_id

    return make


def test_failures_that_differ_in_numbers_are_one_line_with_their_count(signed_in, fail):
    for number in range(3):
        _, run = fail(f"OSError: block {number} is gone")
    fail("OSError: no space left")

    page = signed_in(Role.VIEWER, "acme").get("/failures")

    assert page.text.count('id="failure-') == 3
    line = page.text.split(f'id="failure-{run}"')[1].split("</tr>")[0]
    assert "OSError: block 2 is gone" in line
    assert '<td role="cell" data-label="Count" class="number">3</td>' in line


def test_filters_by_task_client_and_time(signed_in, fail, clock):
    fail("old")
    clock.advance(days=3)
    fail("new")
    browser = signed_in(Role.VIEWER, "acme")

    assert "old" in browser.get("/failures?days=7").text
    assert "old" not in browser.get("/failures?days=1").text
    assert "new" in browser.get("/failures?days=1").text
    assert "Nothing has failed" in browser.get("/failures?task=other").text


def test_a_group_shows_its_runs_and_starts_its_jobs_again(store, signed_in, fail):
    jobs = [fail(f"disk {number} is full") for number in range(3)]
    store.jobs.start(jobs[0][0])
    browser = signed_in(Role.OPERATOR, "acme")

    page = browser.get(f"/failures/{jobs[1][1]}")
    told = browser.followed(browser.post(f"/failures/{jobs[1][1]}/retry"))

    assert page.text.count('<tr id="run-') == 3
    assert "Start 2 jobs again" in page.text
    assert "2 jobs start again." in told.text
    assert {store.jobs.get(job)["status"] for job, _ in jobs} == {"waiting"}
    assert "jobs again" not in told.text.split("</h1>")[1]


def test_who_may_operate_one_client_alone_starts_its_jobs_alone(store, signed_in, fail):
    mine, theirs = fail("disk 1 is full"), fail("disk 2 is full", "bolt")
    browser = signed_in(Role.OPERATOR, "acme")
    store.users.set_role("anna", Role.VIEWER, client="bolt")

    browser.get(f"/failures/{theirs[1]}")
    told = browser.followed(browser.post(f"/failures/{theirs[1]}/retry"))

    assert "1 job starts again." in told.text
    assert "1 job is left as it is: this needs the role operator" in told.text
    assert store.jobs.get(mine[0])["status"] == "waiting"
    assert store.jobs.get(theirs[0])["status"] == "failed"


def test_a_viewer_sees_no_button_and_starts_nothing(store, signed_in, fail):
    job, run = fail("disk 1 is full")
    browser = signed_in(Role.VIEWER, "acme")

    page = browser.get(f"/failures/{run}")

    assert "/retry" not in page.text
    assert browser.post(f"/failures/{run}/retry").status_code == 403
    assert store.jobs.get(job)["status"] == "failed"


def test_what_failed_elsewhere_or_not_at_all_is_not_there(signed_in, fail, acme, bolt):
    _, run = fail("only theirs", "bolt")
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    assert {browser.get(f"/failures/{each}").status_code for each in (run, 99999, acme.runs["finished"])} == {404}
    assert "only theirs" not in browser.get("/failures").text
