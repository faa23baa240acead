"""Jobs over the API: queueing, steering, pages, and what happens to requests that are wrong or sent twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from browsing import Browser

from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")

NEW = {"task": "ocr", "data": {"path": "/scans/1"}, "client": "acme"}


def mine(program):
    """The jobs that were queued by NEW."""
    return [
        job for job in program.get("/jobs", params={"limit": 100}).json()["jobs"] if job["data"] == NEW["data"]
    ]


def test_a_job_is_queued_looked_at_steered_and_deleted(operator, acme):
    queued = operator.post("/jobs", {**NEW, "title": "Scan", "priority": 5, "run_at": "2027-01-01T06:00:00+01:00"})
    path = queued.headers["location"].removeprefix("/api/v1")
    job = operator.get(path).json()
    started = operator.post(f"{path}/start")
    stopped = operator.post(f"{path}/stop")
    again = operator.post(f"{path}/stop")
    retried = operator.post(f"{path}/retry", {"data": {"path": "/scans/2", "password": "p"}})
    copy = operator.get(f"/jobs/{retried.json()['id']}").json()
    deleted = operator.ask("DELETE", path)
    gone = operator.get(path)

    assert (queued.status_code, queued.json()["created"]) == (201, True)
    assert (job["title"], job["priority"], job["next_run_at"]) == ("Scan", 5, "2027-01-01T05:00:00Z")
    assert (started.json()["by_hand"], started.json()["status"]) == (True, "waiting")
    assert stopped.json()["status"] == "stopped"
    assert (again.status_code, again.json()["code"]) == (409, "wrong-status")
    assert again.headers["content-type"] == "application/problem+json"
    assert retried.status_code == 201
    assert (copy["data"], copy["priority"]) == ({"path": "/scans/2", "password": "***"}, 5)
    assert deleted.json() == {"id": job["id"], "gone": True}
    assert (gone.status_code, gone.json()["code"]) == (404, "job-not-found")


def test_many_are_queued_all_or_none(operator, acme):
    wrong = operator.post("/jobs", {"jobs": [NEW, {**NEW, "data": {"path": 7}}]})
    right = operator.post("/jobs", {"jobs": [NEW, NEW, {**NEW, "unique_key": "k"}, {**NEW, "unique_key": "k"}]})
    twin = operator.post("/jobs", {**NEW, "unique_key": "k"})

    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-arguments")
    assert [each["created"] for each in right.json()["jobs"]] == [True, True, True, False]
    assert (twin.status_code, twin.json()["created"]) == (200, False)
    assert len(mine(operator)) == 3


def test_pages_follow_each_other_both_ways(operator, acme):
    operator.post("/jobs", {"jobs": [NEW] * 7})
    every = [job["id"] for job in operator.get("/jobs", params={"limit": 100}).json()["jobs"]]
    seen, after, pages = [], None, []
    while True:
        page = operator.get("/jobs", params={"limit": 4, **({"after": after} if after else {})}).json()
        seen += [job["id"] for job in page["jobs"]]
        pages.append(page)
        after = page["next"]
        if after is None:
            break

    back = operator.get("/jobs", params={"limit": 4, "before": pages[1]["previous"]}).json()
    forged = operator.get("/jobs", params={"after": "bm90aGluZw"})

    assert seen == every
    assert back["jobs"] == pages[0]["jobs"]
    assert (forged.status_code, forged.json()["code"]) == (400, "page-gone")


def test_what_is_sent_twice_under_one_key_is_done_once(operator, acme):
    headers = {"Idempotency-Key": "invoice-4711"}
    first = operator.post("/jobs", NEW, headers=headers)
    second = operator.post("/jobs", NEW, headers=headers)
    other = operator.post("/jobs", {**NEW, "priority": 1}, headers=headers)
    entries = [
        operator.post(f"/cron-entries/{acme.entry}/run", headers={"Idempotency-Key": "r"}) for _ in range(2)
    ]

    assert first.json() == second.json()
    assert second.status_code == 201
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    assert entries[0].json() == entries[1].json()
    assert len(mine(operator)) == 1


def sent(program, body):
    """The answer to a body as it stands, whatever it is."""
    return program.ask("POST", "/jobs", content=body, headers={"content-type": "application/json"})


def test_what_is_wrong_is_told_by_field_and_never_a_fault_of_ours(operator, acme):
    wrong = {
        "type": operator.post("/jobs", {**NEW, "priority": "5", "colour": "red"}),
        "surrogate": sent(operator, b'{"task": "ocr", "data": {"path": "\\ud800"}}'),
        "key": sent(operator, b'{"task": "ocr", "data": {"\\ud800": 1}}'),
        "name": sent(operator, b'{"task": "\\ud800"}'),
        "field": sent(operator, b'{"task": "ocr", "\\ud800": 1}'),
        "nul": operator.post("/jobs", {**NEW, "title": "a\x00b"}),
        "nan": sent(operator, b'{"task": "ocr", "data": {"path": NaN}}'),
        "deep": sent(operator, b'{"task": "ocr", "data": {"path": ' + b"[" * 500 + b"]" * 500 + b"}}"),
        "zone": operator.post("/jobs", {**NEW, "run_at": "2026-12-24T06:00:00"}),
        "year": operator.post("/jobs", {**NEW, "run_at": "0001-01-01T00:00:00+14:00"}),
        "limit": operator.get("/jobs", params={"limit": 501}),
    }

    assert {name: each.status_code for name, each in wrong.items()} == dict.fromkeys(wrong, 422)
    assert {each["field"] for each in wrong["type"].json()["errors"]} == {"priority", "colour"}
    assert sent(operator, b"{").status_code == 422
    assert sent(operator, b"[" * 100_000).status_code in (400, 422)
    assert [operator.get(f"/jobs/{number}").status_code for number in (2**63, "9" * 5000)] == [404, 404]


def test_a_body_that_is_too_large_is_refused_as_a_problem(app, operator):
    most = app.state.console.settings.console.body_limit

    answer = sent(operator, b"x" * (most + 1))

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_session_needs_its_csrf_token_and_a_token_does_not(signed_in, acme):
    browser: Browser = signed_in(Role.OPERATOR, "acme")
    browser.get("/account")

    without = browser.http.post("/api/v1/jobs", json=NEW)
    with_it = browser.http.post("/api/v1/jobs", json=NEW, headers={"X-CSRF-Token": browser.csrf})

    assert (without.status_code, without.headers["content-type"]) == (403, "application/problem+json")
    assert with_it.status_code == 201


def test_a_token_that_has_expired_or_is_none_of_ours_opens_nothing(make_program, clock, acme):
    program = make_program(Role.VIEWER, "acme", expires_at=clock() + timedelta(hours=1))
    before = program.get("/jobs").status_code
    clock.advance(hours=2)
    after = program.get("/jobs").status_code
    program.token = "tsk_guessed"

    assert (before, after, program.get("/jobs").status_code) == (200, 401, 401)


def test_output_goes_on_where_it_was_left(operator, acme):
    first = operator.get(f"/jobs/{acme.jobs['failed']}/log").json()
    rest = operator.get(f"/jobs/{acme.jobs['failed']}/log", params={"after": first["next"]}).json()

    assert [line["text"] for line in first["lines"]] == [f"output {acme.mark}"]
    assert rest == {"lines": [], "next": first["next"]}


def test_a_cron_entry_is_made_changed_paused_and_run(make_program, acme):
    program = make_program(Role.ADMINISTRATOR, "acme")
    new = {"name": "weekly", "task": "ocr", "data": {"path": "x", "password": "p"}, "cron_spec": "0 6 * * 1"}

    made = program.post("/cron-entries", {**new, "client": "acme"})
    path = made.headers["location"].removeprefix("/api/v1")
    twin = program.post("/cron-entries", {**new, "client": "acme"})
    bad = program.post("/cron-entries", {**new, "client": "acme", "name": "x", "cron_spec": "61 * * * *"})
    changed = program.ask("PATCH", path, json={"title": "Weekly", "node_id": None})
    paused = program.post(f"{path}/disable")
    preview = program.get(
        "/cron-entries/preview", params={"cron_spec": "0 6 31 * *", "time_zone": "UTC", "count": 2}
    )
    queued = program.post(f"{path}/run")
    removed = program.ask("DELETE", path)

    assert (made.status_code, made.json()["time_zone"], made.json()["data"]["password"]) == (
        201,
        "Europe/Berlin",
        "***",
    )
    assert (twin.status_code, bad.status_code) == (409, 400)
    assert (changed.json()["title"], paused.json()["active"]) == ("Weekly", False)
    assert len(preview.json()["next"]) == 2
    assert preview.json()["warnings"]
    assert (queued.status_code, removed.status_code) == (201, 204)


def test_runs_are_paged_and_filtered(operator, acme):
    every = operator.get("/runs").json()["runs"]
    first = operator.get("/runs", params={"limit": 2}).json()
    second = operator.get("/runs", params={"limit": 2, "after": first["next"]}).json()
    back = operator.get("/runs", params={"limit": 2, "before": second["previous"]}).json()
    failed = operator.get("/runs", params={"status": "failed"}).json()["runs"]

    assert [run["id"] for run in every] == sorted(acme.runs[kind] for kind in ("failed", "finished", "gone"))[::-1]
    assert first["runs"] + second["runs"] == every
    assert (first["previous"], second["next"], back["runs"]) == (None, None, first["runs"])
    assert [run["id"] for run in failed] == [acme.runs["failed"]]
    assert "traceback" not in failed[0]
    assert operator.get(f"/runs/{failed[0]['id']}").json()["traceback"] == f"traceback {acme.mark}"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"task": "ocr"}, 3),
        ({"task": "oc"}, 0),
        ({"text": "OC"}, 3),
        ({"text": "title"}, 3),
        ({"result": "RESULT"}, 2),
        ({"error": "error"}, 1),
        ({"node": "here"}, 3),
        ({"node": "her"}, 0),
        ({"since": "2020-01-01T00:00:00Z"}, 3),
        ({"until": "2020-01-01T00:00:00Z"}, 0),
    ],
    ids=str,
)
def test_runs_are_found_by_each_filter(operator, acme, filters, found):
    assert len(operator.get("/runs", params=filters).json()["runs"]) == found


def test_a_search_that_takes_too_long_goes_on_in_the_next_page(operator, acme, monkeypatch):
    monkeypatch.setattr("taskserver.store.history.WINDOW", 1)
    monkeypatch.setattr("taskserver.store.history.PATIENCE", timedelta(0))
    failed, pages, after = [], 0, {}
    while after is not None:
        page = operator.get("/runs", params={"status": "failed", **after}).json()
        failed += page["runs"]
        pages += 1
        after = {"after": page["next"]} if page["next"] else None

    assert [run["id"] for run in failed] == [acme.runs["failed"]]
    assert pages > 2


def test_a_key_is_of_one_token_and_not_of_a_later_one_of_its_name(store, make_program, acme, bolt):
    headers = {"Idempotency-Key": "1"}
    first = make_program(Role.OPERATOR, "acme", name="erp")
    told = first.post(f"/jobs/{acme.jobs['failed']}/retry", headers=headers)
    store.tokens.delete("erp")

    later = make_program(Role.OPERATOR, "bolt", name="erp")
    other = make_program(Role.OPERATOR, "acme")

    assert told.status_code == 201
    assert later.post(f"/jobs/{acme.jobs['failed']}/retry", headers=headers).status_code == 404
    assert other.post(f"/jobs/{acme.jobs['failed']}/retry", headers=headers).json() != told.json()


def test_a_secret_that_is_left_hidden_is_not_told_by_what_is_wrong_with_it(store, make_program, make_node, acme):
    """Another task that takes a number where the secret is a text."""
    program = make_program(Role.ADMINISTRATOR, "acme")
    entry = {"name": "e", "task": "ocr", "client": "acme", "cron_spec": "@daily"}
    made = program.post("/cron-entries", {**entry, "data": {"path": "x", "password": "hunter2"}}).json()
    node = make_node("there")
    odd = {**node.offered, "name": "odd", "schema": {"properties": {"password": {"type": "integer"}}}}
    store.nodes.register(replace(node.identity, boot_id="again"), [odd])

    changes = {"task": "odd", "data": {"password": "***"}}
    answer = program.ask("PATCH", f"/cron-entries/{made['id']}", json=changes)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-arguments")
    assert "password" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_what_curl_sends_by_itself_is_told_to_be_no_json(operator, kind):
    answer = operator.ask("POST", "/jobs", content=b'{"task": "ocr"}', headers={"content-type": kind})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "Content-Type", "message": f"must be application/json, not '{kind}'"}
    ]


def test_the_default_of_a_secret_is_not_told(store, viewer, make_node):
    node = make_node("there")
    properties = {
        "password": {"type": "string", "default": "hunter2"},
        "path": {"type": "string", "default": "/x"},
    }
    odd = {**node.offered, "name": "odd", "schema": {"properties": properties}}
    store.nodes.register(replace(node.identity, boot_id="again"), [odd])

    told = viewer.get("/tasks/odd")

    assert told.json()["arguments"]["properties"] == {
        "password": {"type": "string"},
        "path": {"type": "string", "default": "/x"},
    }
    assert "hunter2" not in viewer.get("/tasks").text


def test_a_filter_with_a_typing_error_is_refused_and_does_not_find_everything(operator):
    wrong = operator.get("/jobs", params={"statsu": "failed", "limit": 5})
    right = operator.get("/jobs", params={"status": "failed", "limit": 5})
    none = operator.get("/autostart", params={"x": "1"})

    assert wrong.status_code == none.status_code == 422
    assert [each["field"] for each in wrong.json()["errors"]] == ["statsu"]
    assert "status" in wrong.json()["errors"][0]["message"]
    assert right.status_code == 200


def test_an_odd_row_of_another_program_costs_nobody_the_list(store, signed_in, operator, acme):
    """Half a character, a number beyond all bounds, and a moment at the end of all calendars."""
    odd = {"data": '{"path": "\\ud800", "count": 1e400}', "next_run_at": "9999-12-31 23:59:59.000000"}
    with store.database.write() as connection:
        insert = (
            "INSERT INTO jobs (client_id, task, data, next_run_at) VALUES (:client, 'ocr', :data, :next_run_at)"
        )
        connection.exec_driver_sql(insert, {"client": acme.id, **odd})
    job = max(row["id"] for row in operator.get("/jobs", params={"limit": 100}).json()["jobs"])
    browser = signed_in(Role.OPERATOR, "acme")

    answers = [operator.get(path) for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/explain")]
    answers += [browser.get(path) for path in ("/tasks", f"/jobs/{job}", f"/jobs/{job}/again")]

    assert [answer.status_code for answer in answers] == [200] * 6
    assert answers[1].json()["data"] == {"path": "?", "count": None}
